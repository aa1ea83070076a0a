"""What people ask for: one function a request, called alike by API, page and command."""
