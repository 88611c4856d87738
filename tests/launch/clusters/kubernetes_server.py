"""A stand-in for Kubernetes' API server: as much of it as creating, following and deleting a job takes.

It keeps objects and refuses what it is told to refuse, as the real one words it; pods come into being when a test, or
a stand-in for the kubelet, says so. Paths, Status, watch events and logs are those of the API reference, and of its
page "Kubernetes API Concepts": https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

import contextlib
import json
import re
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PATH = re.compile(r"/apis?/(?:[\w.-]+/)?v\w+/namespaces/[^/]+/(?P<plural>\w+)(?:/(?P<name>[^/]+))?(?P<log>/log)?")
TOKEN = "users-token"
REASONS = {
    **{401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "AlreadyExists"},
    **{410: "Expired", 422: "Invalid", 503: "ServiceUnavailable"},
}


class ApiServer:
    """`objects` by (plural, name), `requests` as (method, plural, name); `refusals` by (method, plural) are (code,
    message). `on_change` is told of objects that were created (True) or deleted.
    """

    def __init__(self, folder):
        """Its certificate, and a configuration of kubectl's for it, will be in the folder."""
        self.objects, self.requests, self.refusals = {}, [], {}
        self.jobset, self.on_change = True, lambda item, created: None
        self.changed = threading.Condition()
        self._version, self._events = 0, []  # (version, namespace, event) of pods
        self._logs, self._breaks = {}, {"watch": 0, "log": 0}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads, self._http.api, self.connections = False, self, set()
        self._http.socket = _encrypted(self._http.socket, folder)
        self.configuration = folder / "kubeconfig"
        self.configuration.write_text(json.dumps(self._configuration(folder / "certificate")))
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def _configuration(self, certificate):
        cluster = {"server": f"https://127.0.0.1:{self._http.server_port}", "certificate-authority": str(certificate)}
        parts = {"clusters": {"cluster": cluster}, "users": {"user": {"token": TOKEN}}}
        parts |= {"contexts": {"context": {"cluster": "it", "user": "it", "namespace": "team"}}}
        listed = {plural: [{"name": "it", **part}] for plural, part in parts.items()}
        return {"apiVersion": "v1", "kind": "Config", "current-context": "it", **listed}

    def close(self):
        with self.changed:
            self._breaks = dict.fromkeys(self._breaks, 1 << 30)
            self.changed.notify_all()
        self._http.shutdown()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._http.server_close()  # waits for those who answer

    def names(self):
        """What there is, as plural/name."""
        with self.changed:
            return sorted(f"{plural}/{name}" for plural, name in self.objects if plural != "pods")

    def put(self, item):
        """Create or change an object; of pods those who watch are told."""
        plural, name = f"{item['kind'].lower()}s", item["metadata"]["name"]
        with self.changed:
            kind = "MODIFIED" if (plural, name) in self.objects else "ADDED"
            self._store(plural, name, item, kind)
        return item

    def remove(self, plural, name):
        with self.changed:
            item = self.objects.pop((plural, name))
            self._store(plural, None, item, "DELETED")
        return item

    def _store(self, plural, name, item, kind):
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        if name is not None:
            self.objects[plural, name] = item
        if plural == "pods":
            self._events.append((self._version, {"type": kind, "object": json.loads(json.dumps(item))}))
        self.changed.notify_all()

    def write(self, pod, *lines, over=False):
        """Add (time, text) to a pod's output; `over` ends it."""
        with self.changed:
            log = self._logs.setdefault(pod, [[], False])
            log[0] += lines
            log[1] = log[1] or over
            self.changed.notify_all()

    def break_off(self, what):
        """Cut all connections that are streams of that kind: `watch` or `log`."""
        with self.changed:
            self._breaks[what] += 1
            self.changed.notify_all()

    def forget(self):
        """Compact: versions that were seen are too old to watch from."""
        with self.changed:
            self._events.clear()

    def wait_for(self, fulfilled, seconds=30):
        with self.changed:
            assert self.changed.wait_for(fulfilled, seconds), self.requests

    # What follows is for the handlers.

    def listed(self, plural, query):
        selector = dict(each.split("=") for each in query.get("labelSelector", [""])[0].split(",") if each)
        with self.changed:
            items = [
                item
                for (kind, _), item in self.objects.items()
                if kind == plural and selector.items() <= item["metadata"].get("labels", {}).items()
            ]
            return {"kind": "List", "metadata": {"resourceVersion": str(self._version)}, "items": items}

    def events(self, query, send):
        """Send what happens to pods from a version on."""
        seen, began = int(query["resourceVersion"][0]), self._breaks["watch"]
        with self.changed:
            if seen < self._version and not self._events:
                return send({"type": "ERROR", "object": status(410, "too old resource version")})
            while self._breaks["watch"] == began:
                for version, event in [each for each in self._events if each[0] > seen]:
                    seen = version
                    send(event)
                if not self.changed.wait(float(query["timeoutSeconds"][0])):
                    return None
        raise ConnectionAbortedError

    def output(self, pod, query, send):
        """Send a pod's lines with their times, from a second on."""
        since, sent, began = query.get("sinceTime", [""])[0][:19], 0, self._breaks["log"]
        with self.changed:
            while self._breaks["log"] == began:
                lines, over = self._logs.setdefault(pod, [[], False])
                for when, text in lines[sent:]:
                    if when[:19] >= since:
                        send(f"{when} {text}\n")
                sent = len(lines)
                if over:
                    return
                self.changed.wait()
        raise ConnectionAbortedError


def _encrypted(plain, folder):
    """A socket that speaks TLS; kubectl shows its token to no other."""
    subject = ["-subj", "/CN=kubernetes", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subject += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    kind = ["-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    files = ["-keyout", folder / "key", "-out", folder / "certificate"]
    subprocess.run(["openssl", "req", *kind, *subject, *files], check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)


def status(code, message):
    """An answer that says no; 422 (`Kind "name" is invalid: field: what is wrong`) has the same in parts."""
    details = {}
    if code == 422:
        kind, name, field, wrong = re.fullmatch(r'(\w+) "(.+)" is invalid: ([^:]+): (.+)', message).groups()
        cause = {"reason": "FieldValueInvalid", "message": wrong, "field": field}
        details = {"details": {"kind": kind, "name": name, "causes": [cause]}}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": REASONS[code],
        "code": code,
        **details,
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        self.server.api.connections.add(self.request)
        super().setup()

    def finish(self):
        super().finish()
        self.server.api.connections.discard(self.request)

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer("GET")

    def do_POST(self):
        self._answer("POST")

    def do_DELETE(self):
        self._answer("DELETE")

    def _answer(self, method):
        api, parts = self.server.api, urlsplit(self.path)
        body = self._body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(401, status(401, "Unauthorized"))
        found, query = PATH.fullmatch(parts.path), parse_qs(parts.query)
        if found is None or (found["plural"] == "jobsets" and not api.jobset):
            return self._send(404, b"404 page not found\n")  # nothing of that kind is installed: it isn't a Status
        plural, name = found["plural"], found["name"]
        with api.changed:
            api.requests.append((method, plural + (found["log"] or ""), name))
            refusal = api.refusals.get((method, plural + (found["log"] or "")))
            there = api.objects.get((plural, name))
            api.changed.notify_all()
        if refusal:
            return self._send(refusal[0], status(*refusal))
        match method:
            case "POST":
                return self._create(plural, json.loads(body), query)
            case "GET" if found["log"]:
                return self._stream(lambda send: api.output(name, query, send))
            case "GET" if "watch" in query:
                return self._stream(lambda send: api.events(query, lambda event: send(json.dumps(event) + "\n")))
            case "GET" if name is None:
                return self._send(200, api.listed(plural, query))
        if there is None:
            return self._send(404, status(404, f'{plural} "{name}" not found'))
        if method == "DELETE":
            assert query["propagationPolicy"] == ["Background"]
            api.on_change(api.remove(plural, name), False)
        return self._send(200, there)

    def _create(self, plural, item, query):
        api = self.server.api
        assert query["fieldValidation"] == ["Strict"]
        name = item["metadata"]["name"]
        if (plural, name) in api.objects:
            return self._send(409, status(409, f'{plural} "{name}" already exists'))
        api.put(item)
        self._send(201, item)
        return api.on_change(item, True)

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, code, answer):
        plain = isinstance(answer, bytes)
        data = answer if plain else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if plain else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, stream):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True

        def send(text):
            data = text.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

        try:
            stream(send)
        except (ConnectionAbortedError, BrokenPipeError, ConnectionResetError):
            return  # without the last chunk: the other side sees a connection that has broken off
        self.wfile.write(b"0\r\n\r\n")
