"""The key-value client: requests, connections to servers, and the stores that users push to and pull from."""
