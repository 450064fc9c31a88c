"""How fast Dovecot's questions are answered, beside a bare echo server on the same loop.

    python bench/dovecot_policy.py [--seconds 2] [--connections 1,16,50,500] [--backlog-lines 1000000]

Job: have asking.py measure the inlet. Promise: the requests are whole, as Dovecot 2.3 writes them: one report of a failure, or of a success, for each
two questions. Limits: those of asking.py.
"""

from asking import Asked, addresses, main, now

from gatepost.inlets.dovecot_policy import DovecotPolicyInlet, DovecotPolicySettings
from gatepost.pipeline.guard import Guard

KEY = "the-key-of-a-benchmark"
BODY = (
    '{{"device_id":"","login":"user{number}@example.org","protocol":"imap","pwhash":"07a0","remote":"{client}","session_id":"hDi9mANhQ8{number:04}"'
)
REQUEST = """POST /?command={command} HTTP/1.1\r
Host: 127.0.0.1:4001\r
Date: Tue, 24 Nov 2026 10:58:57 GMT\r
User-Agent: dovecot/auth-policy-client\r
Content-Length: {length}\r
Connection: Keep-Alive\r
Content-Type: application/json\r
X-API-Key:  {key}\r
\r
{body}"""
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{"status":0,"msg":""}'


def requests() -> list[bytes]:
    """What is asked, in turn: two questions, then a report; one in ten of the reports tells a failure."""
    found = []
    for number, address in enumerate(addresses()):
        body = BODY.format(number=number, client=address)
        ask = body + ',"tls":false}'
        report = f'{body},"success":{"false" if number % 10 == 0 else "true"},"policy_reject":false,"tls":false}}'
        for command, said in (("allow", ask), ("allow", ask), ("report", report)):
            found.append(REQUEST.format(command=command, length=len(said), key=KEY, body=said).encode())
    return found


def inlet(guard: Guard) -> DovecotPolicyInlet:
    """What is measured."""
    return DovecotPolicyInlet(DovecotPolicySettings(listen="127.0.0.1:0", key=KEY), guard, now, str.lower, "mx")


if __name__ == "__main__":
    main(Asked(inlet, requests, ANSWER), __doc__)
