"""Fetch a picture from a web address that a visitor typed: from public servers only, not too long and not too much."""

import asyncio
import ipaddress
import socket

import httpx
from picture import MAX_BYTES, TOO_BIG, Refused

SECONDS, REDIRECTS = 10, 5
EXAMPLE = "An address looks like https://example.com/cat.jpg."
HEADERS = {"User-Agent": "pushgrad-image-app", "Accept": "image/*", "Accept-Encoding": "identity"}
# All IPv6 but 2000::/3, the part in use; 6to4, with an IPv4 address inside; services for the machines of clouds.
CLOSED = ["::/3", "4000::/2", "8000::/1", "2002::/16", "168.63.129.16", "192.0.0.0/24"]


def is_public(address):
    """Whether this IP address is on the open internet, and not in the network of this machine or of its cloud."""
    ip = ipaddress.ip_address(address)
    return ip.is_global and not ip.is_multicast and not any(ip in ipaddress.ip_network(closed) for closed in CLOSED)


class PublicOnly(httpx.AsyncHTTPTransport):
    """Sends each request to the very address that it has checked, wherever the name may lead a moment later."""

    async def handle_async_request(self, request):
        host = request.url.raw_host.decode()
        try:
            addresses = [end[0] for *_, end in await asyncio.get_running_loop().getaddrinfo(host, None)]
        except socket.gaierror:
            raise Refused(f"There is no server called {host[:80]}. {EXAMPLE}") from None
        if not all(map(is_public, addresses)):
            raise Refused(f"{host} is not on the public internet. This page does not look there.")
        options = {"headers": request.headers, "extensions": request.extensions | {"sni_hostname": host}}
        request = httpx.Request("GET", request.url.copy_with(host=addresses[0]), **options)
        return await super().handle_async_request(request)


async def fetch(url):
    """The bytes behind a URL; Refused, with a sentence for the visitor, if they cannot be had."""
    scheme, separator, _ = url.strip().partition(":")
    if separator and scheme.isalnum() and not scheme.startswith("http") and "." not in scheme and scheme != "localhost":
        raise Refused(f"Only http and https are fetched here, not {scheme[:20]}. {EXAMPLE}")
    try:  # trust_env=False: a proxy would open connections that nobody has checked
        async with asyncio.timeout(SECONDS), httpx.AsyncClient(transport=PublicOnly(), trust_env=False) as client:
            request = client.build_request("GET", url if "://" in url else f"https://{url}", headers=HEADERS)
            for _ in range(1 + REDIRECTS):
                response = await client.send(request, stream=True)
                if not (request := response.next_request):
                    return await body(response)
    except (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL):  # with both kinds of TimeoutError
        raise Refused(f"No picture came from there in {SECONDS} seconds. Is the address right, and public?") from None
    raise Refused("This address leads to another one, again and again.")


async def body(response):
    kind, data = response.headers.get("Content-Type", "image/"), bytearray()
    if not response.is_success or not kind.startswith(("image/", "application/octet-stream")):
        raise Refused(f"There is no picture at this address: the answer is {response.status_code}, {kind}.")
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) > MAX_BYTES:
            raise Refused(TOO_BIG)
    return bytes(data)
