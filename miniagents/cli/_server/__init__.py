"""`miniagents serve`: a page on which people talk with an agent, and the server behind it.

Needs ``pip install 'miniagents[web]'``. `listen`, then `serve_page` until it is cancelled.
"""

from ._app import Place, Serving
from ._reload import serve_again
from ._routes import About
from ._serve import address_of, listen, serve_page

__all__ = ["About", "Place", "Serving", "address_of", "listen", "serve_again", "serve_page"]
