"""The composition root: settings become objects.

past.py wires what reads past logs, daemon.py what guards now. The only room that knows concrete classes.
"""
