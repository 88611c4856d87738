"""A network that a seed decides on: connections that are slow, stand still, break and come back.

What ZeroMQ promises holds: a connection keeps the order of its messages and doubles none. What it does not promise is
tried out. With a lost connection any tail of what was under way is lost in each direction; the rest may come long
after what is said on the next one; either side may go on for a while without noticing, and speaks to nobody then.
"""

from collections import deque

from pushgrad.common.codec import encode


class Stream:
    """One direction of a connection. Delivers what is put in to `deliver`, in order and later."""

    def __init__(self, world, deliver):
        self.world, self.deliver = world, deliver
        self.flying = deque()
        self.last = self.still_until = 0.0
        self.lost = False

    def put(self, frames):
        if self.lost:
            return
        self.last = max(self.last, self.world.now + self.world.latency())
        self.flying.append(frames)
        self.world.at(self.last, self._arrive)

    def _arrive(self):
        if not self.flying:
            return
        if self.world.now < self.still_until:
            self.world.at(self.still_until, self._arrive)
            return
        self.deliver([bytes(frame) for frame in self.flying.popleft()])

    def cut(self, keep=None):
        """Lose a tail of what is under way (nothing of it beyond `keep`, if given); gives the tail.

        What is left arrives some time, in its order.
        """
        random, flying = self.world.random, [[bytes(frame) for frame in frames] for frames in self.flying]
        self.flying.clear()
        self.lost = True
        kept = random.randint(0, len(flying)) if keep is None else keep
        when = max(self.world.now, self.still_until)
        late = random.choice((0.0, 0.01, 0.1, 1.0))
        for frames in flying[:kept]:
            when += self.world.latency() + random.random() * late
            self.world.at(when, lambda frames=frames: self.deliver(frames))
        return flying[kept:]


class Pipe:
    """One connection of a line to a listener, from its handshake to its loss."""

    def __init__(self, world, line, listener):
        self.line, self.listener, self.was_full = line, listener, False
        self.up = Stream(world, self._up)
        self.down = Stream(world, line.take)

    def _up(self, frames):
        self.listener.take(self.line.identity, frames)
        if self.was_full:
            self.was_full = False
            self.line.owner.wake()


class Line:
    """Stands in for `Connection`, and is its own watch."""

    def __init__(self, world, owner, endpoint, identity, immediate, lost_after, queued):
        self.world, self.owner, self.endpoint, self.identity = world, owner, endpoint, identity
        self.immediate, self.lost_after, self.queued = immediate, lost_after, min(queued, world.room)
        self.watch = self
        self.pipe = None
        self.inbox, self.waiting, self.events = deque(), deque(), deque()
        self.connected, self.connections = False, 0
        self.pause, self.closed, self.out_of_reach_until = 0.05, False, 0.0
        world.lines.append(self)
        world.at(world.now + world.latency(), self._connect)

    # ---- what the product calls

    def send(self, message):
        frames = encode(message)
        if self.world.copies:
            frames = [bytes(frame) for frame in frames]
        if self.pipe is None:
            if not self.immediate:
                self.waiting.append(frames)
            return not self.immediate
        if self.queued and len(self.pipe.up.flying) >= self.queued:
            self.pipe.was_full = True
            return False
        self.pipe.up.put(frames)
        return True

    def receive(self):
        return self.inbox.popleft() if self.inbox else None

    def drain(self):
        made = 0
        while self.events:
            self.connected = self.events.popleft()
            made += self.connected
        self.connections += made
        return made

    def close(self, linger=0.0):
        if self.closed:
            return
        self.closed = True
        if self.pipe is not None:
            self.pipe.up.cut(keep=len(self.pipe.up.flying) if linger else None)
            self._forget(self.pipe)

    # ---- what happens to it

    def take(self, frames):
        if not self.closed:
            self.inbox.append(frames)
            self.owner.wake()

    def _connect(self):
        if self.closed or self.pipe is not None:
            return
        listener = self.world.listeners.get(self.endpoint)
        if listener is None or self.world.now < self.out_of_reach_until:
            self.pause = min(1.0, 2 * self.pause)
            self.world.at(self.world.now + self.pause, self._connect)
            return
        self.pause = 0.05
        self.pipe = listener.routes[self.identity] = Pipe(self.world, self, listener)
        listener.pipes.append(self.pipe)
        self._notice(True)
        while self.waiting:
            self.pipe.up.put(self.waiting.popleft())

    def _notice(self, connected):
        def event():
            self.events.append(connected)
            self.owner.wake()

        # The monitor is a socket of its own: its news may come after messages of the new connection.
        self.event_at = max(self.world.now + self.world.random.random() * 0.02, getattr(self, "event_at", 0.0))
        self.world.at(self.event_at, event)

    def cut(self, here=None, there=None):
        """Lose the connection. This side notices after `here` seconds, the other after `there`; None for soon."""
        pipe, random = self.pipe, self.world.random
        if pipe is None or pipe.up.lost:
            return
        tail = pipe.up.cut()
        pipe.down.cut()
        if not self.immediate:  # what had not left yet goes with the next connection
            self.waiting.extend(tail[random.randint(0, len(tail)) :])
        soon = random.random() * random.choice((0.001, 0.3))
        self.world.at(self.world.now + (soon if here is None else here), lambda: self._lost(pipe))
        self._forget(pipe, there)

    def _lost(self, pipe):
        if self.closed or self.pipe is not pipe:
            return
        self.pipe = None
        if self.immediate and self.world.random.random() < 0.5:
            self.inbox.clear()
        self._notice(False)
        self.world.at(self.world.now + 0.05 * (1 + self.world.random.random()), self._connect)

    def _forget(self, pipe, after=None):
        def event():
            if pipe.listener.routes.get(self.identity) is pipe:
                del pipe.listener.routes[self.identity]

        delay = self.world.random.random() * self.world.random.choice((0.001, 0.3)) if after is None else after
        self.world.at(self.world.now + delay, event)

    def stand_still(self, seconds):
        """Nothing passes for so long. A server's line counts as lost before that, if that is too long for it."""
        pipe = self.pipe
        if pipe is None or pipe.up.lost:
            return
        for stream in (pipe.up, pipe.down):
            stream.still_until = self.world.now + seconds
        self.out_of_reach_until = self.world.now + seconds
        if self.lost_after is not None and seconds > self.lost_after:
            self.world.at(self.world.now + self.lost_after, lambda: pipe is self.pipe and self.cut(0.0, seconds))


class Echo(Line):
    """Stands in for `Pulse`: sends back what comes as long as its process is not stopped."""

    def take(self, frames):
        if self.closed or self.pipe is None:
            return
        if self.world.now < self.owner.stopped_until:
            self.world.at(self.owner.stopped_until, lambda: self.take(frames))
        else:
            self.pipe.up.put(frames)


class Listener:
    """Stands in for the product's `Listener`."""

    def __init__(self, world, owner, endpoint):
        self.world, self.owner, self.endpoint = world, owner, endpoint
        self.inbox, self.routes, self.pipes = deque(), {}, []
        self.closed = False
        world.listeners[endpoint] = self

    def take(self, identity, frames):
        if not self.closed:
            self.inbox.append((identity, frames))
            self.owner.wake()

    def receive(self):
        return self.inbox.popleft() if self.inbox else None

    def send(self, identity, frames, copy_below=0):
        pipe = self.routes.get(identity)
        if pipe is None or (pipe.line.queued and len(pipe.down.flying) >= pipe.line.queued):
            return False
        pipe.down.put([bytes(frame) for frame in frames])
        return True

    def tend(self, held, now):
        return None

    def close(self, linger=0.0):
        """What is under way arrives if it may linger."""
        self.leave_place()
        for pipe in self.pipes:
            if not pipe.down.lost:
                pipe.down.cut(keep=len(pipe.down.flying) if linger else None)
                pipe.up.cut()
                self.world.at(max(self.world.now + 0.05, pipe.down.last), lambda pipe=pipe: pipe.line._lost(pipe))

    def leave_place(self):
        self.closed = True
        if self.world.listeners.get(self.endpoint) is self:
            del self.world.listeners[self.endpoint]


class Network:
    """Stands in for the product's `Network`: makes the lines of one process."""

    def __init__(self, world, owner):
        self.world, self.owner = world, owner

    def connect(self, endpoint, identity, keys, *, immediate=True, lost_after=None, queued=0):
        line = Line(self.world, self.owner, endpoint, identity, immediate, lost_after, queued)
        self.owner.lines.append(line)
        return line

    def pulse(self, endpoint, identity, keys):
        line = Echo(self.world, self.owner, endpoint, b"pulse:" + identity, True, None, 0)
        self.owner.lines.append(line)
        return line

    def close(self):
        pass
