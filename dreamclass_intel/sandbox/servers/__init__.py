"""Stand-in servers: each speaks one vendor's wire format over the world's truth, on loopback only.

A vendor's module has `routes(site: Site) -> list[starlette.routing.BaseRoute]`; `server.py` mounts them all.
"""
