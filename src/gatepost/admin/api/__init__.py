"""The REST API: a thin skin over actions/. ``server.py`` has the routes, ``serve.py`` the listener."""
