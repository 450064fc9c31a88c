"""What Gatepost remembers.

contract.py says what a store is; sqlite.py is the default and schema.py the shape of its file; memory.py forgets when the program ends; lock.py
keeps a second daemon off a state folder. Who opens a store, and which, is app.py's choice.
"""
