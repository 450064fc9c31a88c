"""The sandbox of ``gatepost demo``: mail servers, their log, their clients, and the board that says what each client got. app/demo.py wires them."""
