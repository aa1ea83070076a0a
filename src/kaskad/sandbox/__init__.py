"""A local world for Kaskad: servers that speak the providers' own protocols, and people who react.

The real adapters talk to it over real sockets; only their base URL differs. It knows nothing of Kaskad but
what a provider knows. Everything lives on one asyncio loop in one thread (`serve.py`), so there are no locks.
"""
