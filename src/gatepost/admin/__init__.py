"""STEER: what an administrator sees and does. actions/ has every deed once; api/ is a thin skin over it."""
