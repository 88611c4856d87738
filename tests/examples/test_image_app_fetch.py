"""Fetching pictures for strangers: which addresses are asked at all, and what ends a fetch.

The internet of these tests is an event loop: it resolves the names of a table, and leads connections to any address to
a web server on this machine. So the guard runs as it is, above real sockets.
"""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PUBLIC, OTHER = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
PICTURE = b"the bytes of a picture"


class Internet(asyncio.SelectorEventLoop):
    """Knows `names`, each with its addresses, or with several lists of them for one look-up after the other."""

    def __init__(self, names, port):
        super().__init__()
        self.names, self.port, self.called, self.ports = names, port, [], []

    async def getaddrinfo(self, host, port, **hints):
        if host not in self.names:
            return await super().getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)  # which asks no real server
        found = self.names[host]
        addresses = found.pop(0) if isinstance(found[0], list) else found
        return [(None, None, 0, "", (address, port)) for address in addresses]

    async def create_connection(self, factory, host=None, port=None, **options):
        if host != "127.0.0.1":
            self.called.append(host)
            self.ports.append(port)
        return await super().create_connection(factory, "127.0.0.1", self.port, **options)


class Site(BaseHTTPRequestHandler):
    """Misbehaves in a way that the path names."""

    def do_GET(self):
        getattr(self, self.path.strip("/").replace("-", "_").partition("?")[0])()

    def answer(self, status=200, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def cat(self):
        self.server.hosts.append(self.headers["Host"])
        self.answer(body=PICTURE, Content_Type="image/png")

    def untyped(self):
        self.answer(body=PICTURE)

    def page(self):
        self.answer(body=b"<html>", Content_Type="text/html; charset=utf-8")

    def gone(self):
        self.answer(404, Content_Type="image/png")

    def near(self):
        self.answer(302, Location="/cat")

    def to_private(self):
        self.answer(302, Location=f"http://127.0.0.1:{self.server.server_port}/cat")

    def to_inside(self):
        self.answer(301, Location="http://inside.example/cat")

    def to_file(self):
        self.answer(302, Location="file:///etc/passwd")

    def circle(self):
        self.server.circles += 1
        self.answer(302, Location="/circle")

    def endless(self):
        self.forever(200)

    def endless_redirect(self):
        self.forever(302, Location="/cat")

    def forever(self, status, **headers):
        self.answer(status, Content_Type="image/png", **headers)
        while not self.server.stopping.is_set():
            self.wfile.write(bytes(1 << 16))

    def silent(self):
        self.server.stopping.wait()

    def dripping(self):
        self.answer(Content_Type="image/png")
        while not self.server.stopping.wait(0.02):
            self.wfile.write(b".")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Site)
        self.stopping, self.hosts, self.circles = threading.Event(), [], 0

    def handle_error(self, request, client_address):
        pass  # whoever fetches hangs up in the middle


@pytest.fixture
def site():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch(app_module):
    return app_module("fetch")


@pytest.fixture
def get(fetch, site):
    """Fetches through an Internet; afterwards `get.called` has the addresses that were connected to."""

    def get(url, **names):
        names = {"example.com": [PUBLIC], "localhost": ["::1", "127.0.0.1"]} | {
            name.replace("_", "."): found for name, found in names.items()
        }
        with asyncio.Runner(loop_factory=lambda: Internet(names, site.server_port)) as runner:
            get.called, get.ports = runner.get_loop().called, runner.get_loop().ports
            return runner.run(fetch.fetch(url))

    return get


PRIVATE_IPV4 = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16",
    "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.168.1.1",
    "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
PRIVATE_IPV6 = [
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:93.184.215.14", "64:ff9b::7f00:1",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%lo", "fec0::1", "ff02::1", "4000::1", "8000::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE_IPV4 + PRIVATE_IPV6)
def test_private_addresses(fetch, address):
    assert not fetch.is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", PUBLIC, "172.32.0.1", "100.128.0.1", OTHER, "2a00:1450::1"])
def test_public_addresses(fetch, address):
    assert fetch.is_public(address)


def test_a_picture_is_fetched_from_the_address_that_was_checked(get, site):
    assert get("http://example.com/cat?size=1") == PICTURE
    assert get.called == [PUBLIC]
    assert site.hosts == ["example.com"]  # the server still hears the name


def test_ipv6(get, site):
    assert get(f"http://[{OTHER}]/cat") == PICTURE
    assert get.called == [OTHER]
    assert site.hosts == [f"[{OTHER}]"]


def test_a_picture_may_come_without_a_type(get):
    assert get("http://example.com/untyped") == PICTURE


def test_a_redirect_is_followed(get):
    assert get("http://example.com/near") == PICTURE
    assert get.called


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0", "[::1]", "[::ffff:127.0.0.1]", "[::]",
     "169.254.169.254", "192.168.0.1", "user:password@127.0.0.1"],
)  # fmt: skip
def test_private_hosts_are_not_asked(get, fetch, site, host):
    with pytest.raises(fetch.Refused, match="not on the public internet"):
        get(f"http://{host}:{site.server_port}/cat")
    assert not get.called
    assert not site.hosts


@pytest.mark.parametrize("addresses", [["10.0.0.7"], [PUBLIC, "10.0.0.7"], ["::1", PUBLIC]])
def test_names_of_private_addresses_are_not_asked(get, fetch, addresses):
    with pytest.raises(fetch.Refused, match=r"inside\.example is not on the public internet"):
        get("https://inside.example/cat", inside_example=addresses)
    assert not get.called


def test_a_name_that_changes_its_address_after_the_check_gains_nothing(get):
    assert get("http://twofaced.example/cat", twofaced_example=[[PUBLIC], ["127.0.0.1"]]) == PICTURE
    assert get.called == [PUBLIC]


def test_a_name_that_is_private_after_a_redirect_is_refused(get, fetch):
    with pytest.raises(fetch.Refused, match="not on the public internet"):
        get("http://twofaced.example/near", twofaced_example=[[PUBLIC], ["127.0.0.1"]])
    assert get.called == [PUBLIC]


@pytest.mark.parametrize("path", ["to-private", "to-inside"])
def test_redirects_to_private_addresses_are_refused(get, fetch, site, path):
    with pytest.raises(fetch.Refused, match="not on the public internet"):
        get(f"http://example.com/{path}", inside_example=["192.168.1.1"])
    assert get.called == [PUBLIC]
    assert not site.hosts


def test_redirects_end(get, fetch, site):
    with pytest.raises(fetch.Refused, match="again and again"):
        get("http://example.com/circle")
    assert site.circles == 1 + fetch.REDIRECTS


@pytest.mark.parametrize("path", ["endless", "dripping", "silent"])
def test_what_never_ends_is_ended(get, fetch, monkeypatch, path):
    monkeypatch.setattr(fetch, "SECONDS", 0.5)
    monkeypatch.setattr(fetch, "MAX_BYTES", 1 << 40)
    with pytest.raises(fetch.Refused, match=r"No picture came from there in 0\.5 seconds"):
        get(f"http://example.com/{path}")


def test_too_many_bytes_are_not_read(get, fetch):
    with pytest.raises(fetch.Refused, match="too big"):
        get("http://example.com/endless")


def test_the_body_of_a_redirect_is_not_read(get):
    assert get("http://example.com/endless-redirect") == PICTURE


@pytest.mark.parametrize(("path", "reason"), [("page", "text/html"), ("gone", "404")])
def test_what_is_no_picture_is_refused(get, fetch, path, reason):
    with pytest.raises(fetch.Refused, match=f"no picture at this address.*{reason}"):
        get(f"http://example.com/{path}")


@pytest.mark.parametrize(
    "url",
    ["", " ", "://", "http://", "https://", "ftp://example.com/cat", "file:///etc/passwd", "gopher://example.com:70/_",
     "data:image/png;base64,aaaa", "javascript:alert(1)", "http://example.com:99999/", "http://[::1/", "http://a b/",
     "http://" + "a" * 300, "http://a..b/", "http://no-such-name.invalid/cat", "http://example.com/to-file",
     "http://example.com/\0", "x" * 100_000],
)  # fmt: skip
def test_odd_addresses_are_refused_with_a_sentence(get, fetch, url):
    said = r"^No picture came from there|not on the public internet|^Only http and https|^There is no server called"
    with pytest.raises(fetch.Refused, match=said):
        get(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("foo", "There is no server called foo. An address looks like https://example.com/cat.jpg."),
        ("ftp://example.com/cat", "Only http and https are fetched here, not ftp."),
        ("file:///etc/passwd", "Only http and https are fetched here, not file."),
        ("data:image/png;base64,aaaa", "Only http and https are fetched here, not data."),
    ],
)
def test_what_an_odd_address_is(get, fetch, url, said):
    with pytest.raises(fetch.Refused) as refused:
        get(url)
    assert str(refused.value).startswith(said)


def test_an_address_may_have_a_port_and_no_scheme(get):
    assert get("http://example.com:80/cat") == PICTURE


def test_https_is_meant_where_nothing_is_said(get, fetch):
    with pytest.raises(fetch.Refused, match="No picture came"):
        get("example.com/cat")
    assert get.ports == [443]


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl, to make a certificate")
@pytest.mark.parametrize("name", ["example.com", "another.example"])
def test_the_certificate_must_be_that_of_the_name(get, fetch, site, tmp_path, monkeypatch, name):
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    options = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    subprocess.run(["openssl", "req", "-x509", *subject, *options], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    if name == "example.com":
        assert get("https://example.com/cat") == PICTURE
    else:
        with pytest.raises(fetch.Refused, match="No picture came"):
            get("https://example.com/cat")
        assert not site.hosts
    assert get.called == [PUBLIC]


def test_proxies_of_the_environment_are_not_used(get, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://10.0.0.1:3128")
    assert get("http://example.com/cat") == PICTURE
    assert get.called == [PUBLIC]
