"""What a process writes again after a restart, byte by byte."""

import random

from pushgrad.launch.repeats import Repeats


def mark(kind, fit, step):
    return f"\x1b]pushgrad;{kind};{fit};{step}\x07".encode()


def fed(repeats, data, size=None):
    pieces = [data] if size is None else [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(map(repeats.feed, pieces))


def test_marks_are_taken_out_wherever_the_pipe_cuts_them():
    data = b"a\n" + mark("at", 1, 3) + b"b\n\x1b[1mbold\x1b]0;title\x07\n" + mark("from", 2, 7) + b"c"
    for size in range(1, 40):
        assert fed(Repeats(), data, size) == b"a\nb\n\x1b[1mbold\x1b]0;title\x07\nc"


def test_lines_are_told_by_their_number_whatever_is_in_them():
    repeats = Repeats()
    assert fed(repeats, b"one\n" + mark("at", 1, 0) + b"two\nthr") == b"one\ntwo\nthr"
    repeats.begin_again()
    assert fed(repeats, b"ONE\nTWO\nthree\nfour\n") == b"three\nfour\n"


def test_a_process_without_marks_is_shown_whatever_it_does_again():
    repeats = Repeats()
    fed(repeats, b"one\ntwo\n")
    for _ in range(2):
        repeats.begin_again()
        assert fed(repeats, b"one\nthree\n") == b"one\nthree\n"


def test_lines_of_steps_that_are_done_again_come_once():
    """The first run has written the lines of steps 1 to 6; the second goes on after step 4."""
    repeats = Repeats()
    first = b"head\n" + b"".join(mark("at", 1, step) + b"step %d\n" % (step + 1) for step in range(6))
    assert fed(repeats, first).count(b"\n") == 7
    repeats.begin_again()
    again = b"head\n" + mark("from", 1, 4) + b"".join(mark("at", 1, s) + b"step %d\n" % (s + 1) for s in range(4, 9))
    assert fed(repeats, again) == b"step 7\nstep 8\nstep 9\n"


def test_a_process_may_die_before_it_has_come_to_its_place():
    repeats = Repeats()
    fed(repeats, b"head\n" + mark("at", 1, 2) + b"three\n" + mark("at", 1, 5) + b"six\n")
    for generation in (b"he", b"head\n", b"head\n" + mark("from", 1, 5), b"head\n" + mark("from", 1, 2) + b"thr"):
        repeats.begin_again()
        assert fed(repeats, generation) == b""
    repeats.begin_again()
    assert fed(repeats, b"head\n" + mark("from", 1, 3) + b"six\n" + mark("at", 1, 6) + b"seven\n") == b"seven\n"


def test_any_number_of_deaths_leaves_the_output_of_an_undisturbed_run():
    """Three fits whose steps write none, one or two lines; killed at random bytes, going on from random steps."""
    for seed in range(200):
        draw = random.Random(seed)
        lines = {(fit, step): draw.choice([0, 0, 1, 2]) for fit in (1, 2, 3) for step in range(1, 8)}
        places = sorted(lines)

        def output(begin, lines=lines, places=places):
            """What the script writes: its head, then the lines behind that step."""
            written = b"head\nof the script\n" + mark("at", 1, 0)
            if begin is not None:
                written += mark("from", *begin)
            place = begin
            for fit, step in places:
                if begin is not None and (fit, step) <= begin:
                    continue
                for number in range(lines[fit, step]):
                    if place is not None:
                        written, place = written + mark("at", *place), None
                    written += b"fit %d step %d line %d\n" % (fit, step, number)
                place = (fit, step) if step < 7 else (fit + 1, 0)
            return written

        expected = fed(Repeats(), output(None))
        repeats, shown, begin = Repeats(), b"", None
        for _ in range(draw.randrange(1, 6)):
            data = output(begin)
            killed = data[: draw.randrange(40 if begin is None else 0, len(data) + 1)]  # not before the first mark
            new = fed(repeats, killed, draw.choice([None, 1, 5]))
            shown += new[: new.rfind(b"\n") + 1]  # the beginning of a line is dropped by whoever reads the pipe
            reached = killed.count(b"\n")
            # Snapshots are taken where the process has been: any place all of whose lines have been written.
            done = [place for place in places if sum(lines[p] for p in places if p <= place) + 2 <= reached]
            if begin is None and done:
                begin = draw.choice(done)
            repeats.begin_again()
        shown += fed(repeats, output(begin))
        assert shown == expected, seed
