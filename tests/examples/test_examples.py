"""The examples as their reader runs them, and their objects by curl and by a client of msgpack-rpc.

  test_examples.py --bin FOLDER STORY...    runs those stories
  test_examples.py --list                   names all, one a line
"""

import json
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import unittest

BIN = pathlib.Path("build/dev/bin")
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
TIMEOUT_S = 30


class Story(unittest.TestCase):
    def setUp(self):
        self.server = subprocess.Popen([BIN / "counter_server", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        self.address = self.server.stdout.readline().removeprefix("serving at ").strip()
        self.port = int(self.address.rsplit(":", 1)[1])

    def run_client(self):
        return subprocess.run([BIN / "counter_client", self.address], check=True, capture_output=True, text=True,
                              timeout=TIMEOUT_S).stdout

    def curl(self, path, *arguments, code=200):
        done = subprocess.run(["curl", "--silent", "--show-error", "--write-out", "\n%{http_code}", *arguments,
                               f"http://{self.address}{path}"], check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
        body, status = done.stdout.rsplit("\n", 1)
        self.assertEqual(int(status), code, body)
        return json.loads(body)

    def socket(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_S)
        self.addCleanup(connection.close)
        return connection

    def total(self):
        return self.curl("/o/counter/add", "-d", "[0]")

    # --- stories ---------------------------------------------------------------------------------

    def test_each_example_has_at_most_15_lines(self):
        for source in EXAMPLES.glob("*.cc"):
            lines = [line.strip() for line in source.read_text().splitlines()]
            code = [line for line in lines if line and not line.startswith(("#include", "//"))]
            self.assertLessEqual(len(code), 15, source.name)

    def test_another_process_curl_and_msgpack_rpc_call_one_object(self):
        from pynvim.msgpack_rpc import tcp_session
        self.assertEqual(self.run_client(), "5\n")
        self.assertEqual(self.curl("/o/counter/add", "-d", "[5]"), 10)
        session = tcp_session("127.0.0.1", self.port)
        session.error_wrapper = lambda error: RuntimeError(*error)
        self.assertEqual(session.request("counter.add", 5), 15)
        with self.assertRaises(RuntimeError) as caught:
            session.request("counter.ad", 5)
        fault, what, details = caught.exception.args
        self.assertEqual(fault, "not_found")
        self.assertIn("has no method ad", what)
        self.assertEqual(details["executed"], "no")
        with self.assertRaises(RuntimeError) as caught:
            session.request("counter.add", "five")
        self.assertIn("arguments[0]: a string where an integer is wanted", caught.exception.args)
        session.close()
        self.assertEqual(self.run_client(), "20\n")
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(TIMEOUT_S), 0)

    def test_a_client_without_its_server_says_so(self):
        self.server.kill()
        self.server.wait()
        done = subprocess.run([BIN / "counter_client", self.address], capture_output=True, text=True, timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("error: ", done.stderr)
        self.assertIn(str(self.port), done.stderr)

    def test_curl_sees_what_there_is(self):
        self.assertEqual([each["name"] for each in self.curl("/o")["objects"]], ["counter"])
        self.assertEqual(self.curl("/o/counter")["methods"][0]["parameters"], ["int64"])
        api = self.curl("/openapi.json")
        self.assertEqual(api["openapi"], "3.1.0")
        self.assertEqual(list(api["paths"]), ["/o/counter/add"])
        error = self.curl("/o/counter/add", "-d", '["5"]', code=400)["error"]
        self.assertEqual(error["what"], "arguments[0]: a string where an integer is wanted")
        self.assertEqual(self.curl("/o/conter/add", "-d", "[5]", code=404)["error"]["mend"], "do you mean counter?")

    def test_a_page_of_another_site_is_refused(self):
        self.curl("/o/counter/add", "-d", "[5]", "-H", "Origin: https://evil.example", code=403)
        self.curl("/o/counter", "-H", "Host: evil.example", code=403)
        self.curl("/o/counter/add", "-d", "[5]", "-H", f"Origin: http://{self.address}")
        self.assertEqual(self.total(), 5)

    def test_hostile_clients_cost_nothing(self):
        half, silent, half_rpc = self.socket(), self.socket(), self.socket()
        half.sendall(b"POST /o/counter/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n[1")
        half_rpc.sendall(b"\x94\x00\x01\xabcounter.add\xdd\x00\x00")
        for body in ("[" * 1_000_000, "[" + "0," * 1_000_000 + "0]", '{"a":' * 100_000, '"' + "x" * 1_000_000, "[1e999]"):
            self.post(body)
        before = self.memory_kb()
        for _ in range(20):
            self.post("[" * 5_000_000)
        self.assertLess(self.memory_kb() - before, 100_000)
        self.assertEqual(self.total(), 0)
        silent.close()

    def post(self, body):
        connection = self.socket()
        head = f"POST /o/counter/add HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body.encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
        self.assertRegex(answer, rb"^HTTP/1.1 4\d\d ")

    def memory_kb(self):
        status = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))

    def test_ten_thousand_requests_in_one_breath(self):
        count = 10_000
        request = b"POST /o/counter/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n[1]"
        connection = self.socket()
        sender = threading.Thread(target=connection.sendall, args=(request * count,))
        sender.start()
        answer = b""
        while not answer.endswith(b"\r\n\r\n10000\n"):
            part = connection.recv(1 << 20)
            self.assertTrue(part)
            answer += part
        sender.join()
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), count)
        self.assertEqual(self.total(), count)


def stories():
    return [name.removeprefix("test_") for name in unittest.defaultTestLoader.getTestCaseNames(Story)]


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(stories()))
        sys.exit()
    if "--bin" in sys.argv:
        at = sys.argv.index("--bin")
        BIN = pathlib.Path(sys.argv[at + 1]).resolve()
        del sys.argv[at:at + 2]
    chosen = sys.argv[1:] or stories()
    suite = unittest.TestSuite(Story(f"test_{name}") for name in chosen)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(0 if result.wasSuccessful() else 1)
