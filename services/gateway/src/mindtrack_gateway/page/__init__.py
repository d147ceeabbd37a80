"""The web page: shells from templates, filled in the browser by ES modules that ask `/v1`.

A shell holds nobody's data: who is signed in decides what it offers, and the API what there is to see. So the
page can do nothing that an app could not, and what it shows was checked once, in one place.
"""
