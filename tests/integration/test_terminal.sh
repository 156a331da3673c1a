#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_terminal.sh - a child in front of a real terminal: it reads what is typed,
# Ctrl-C reaches it once, and its size is asked from the loader's terminal
. "$(dirname "$0")/lib.sh"
need_tools mitosisfs mitosis-load

# A small shell of its own: lines in, answers out.
cat >asker.py <<'END'
import os, signal, sys
hits = 0
def hit(*_):
    global hits
    hits += 1
    print(f"hit {hits}", flush=True)
signal.signal(signal.SIGINT, hit)
print("ready", flush=True)
for line in sys.stdin:
    word = line.strip()
    if word == "size":
        print("size", *os.get_terminal_size(0), flush=True)
    elif word == "end":
        break
    else:
        print("heard", word, hits, flush=True)
print("ok", flush=True)
END

# talk.py drives parent and child, each at a pseudo terminal of its own.
cat >talk.py <<'END'
import fcntl, os, pty, select, struct, subprocess, sys, termios, time
tools, mnt = sys.argv[1:]

class Terminal:
    def __init__(self, columns, command):
        self.said = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ,
                        struct.pack("HHHH", 24, columns, 0, 0))
            os.execv(command[0], command)
    def type(self, text):
        os.write(self.fd, text.encode())
    def expect(self, text):
        end = time.monotonic() + 30
        while text not in self.said:
            left = end - time.monotonic()
            if left < 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"waited for {text!r}, got {self.said!r}")
            try:
                self.said += os.read(self.fd, 4096).decode()
            except OSError:
                sys.exit(f"ended before {text!r}: {self.said!r}")
        self.said = self.said.split(text, 1)[1]
    def end(self):
        self.type("end\n")
        self.expect("ok")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

parent = Terminal(70, ["/usr/bin/python3", "asker.py"])
parent.expect("ready")
parent.type("first\n")
parent.expect("heard first 0")
subprocess.run([tools + "/mitosisfs", f"local:/pid/{parent.pid}", mnt],
               check=True)
child = Terminal(123, [tools + "/mitosis-load", mnt + "/image"])
child.type("second\n")
child.expect("heard second 0")
child.type("size\n")
child.expect("size 123 24")
child.type("\x03")
child.expect("hit 1")
child.type("third\n")
child.expect("heard third 1")
parent.type("fourth\n")
parent.expect("heard fourth 0")
parent.type("size\n")
parent.expect("size 70 24")
status = child.end()
assert status == 0, status
status = parent.end()
assert status == 0, status
END

mkdir "$mnt"
/usr/bin/python3 talk.py "$tools" "$mnt"
umount "$mnt"
expect_nothing_left
