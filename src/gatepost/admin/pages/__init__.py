"""The web console: a thin skin over actions/.

``site.py`` has the routes, ``shield.py`` what protects all of them, ``visit.py`` one request, ``forms.py`` forms made from declarations, ``look.py``
the templates' words, ``door.py`` the log-in; each other file is a page.
"""
