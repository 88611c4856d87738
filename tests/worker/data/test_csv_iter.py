import gzip

import numpy as np
import pytest

import pushgrad as mx
from pushgrad.common.errors import DataError, ParameterError


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_file


def test_rows_become_batches_of_that_shape(write):
    data = write("".join(f"{i},{i + 1},{i + 2},{i + 3}\n" for i in range(5)))
    label = write("".join(f"{i}\n" for i in range(5)), "label.csv")
    iterator = mx.io.CSVIter(data, (2, 2), label, batch_size=2)
    assert iterator.provide_data == [("data", (2, 2, 2))]
    assert iterator.provide_label == [("softmax_label", (2,))]
    batches = list(iterator)
    assert [batch.label[0].tolist() for batch in batches] == [[0, 1], [2, 3], [4, 0]]
    assert [batch.pad for batch in batches] == [0, 0, 1]
    np.testing.assert_array_equal(batches[2].data[0][0], [[4, 5], [6, 7]])


def test_round_batch_off_leaves_the_rest_out_and_labels_may_be_missing(write):
    iterator = mx.io.CSVIter(write("1\n2\n3\n"), 1, batch_size=2, round_batch=False)
    assert [batch.data[0].tolist() for batch in iterator] == [[1, 2]]
    assert iterator.provide_label == []


def test_parts_are_equal_and_disjoint(write):
    data = write("".join(f"{i}\n" for i in range(11)))
    parts = [mx.io.CSVIter(data, (1,), batch_size=2, num_parts=3, part_index=i) for i in range(3)]
    rows = [[row for batch in part for row in batch.data[0].tolist()[: 2 - batch.pad]] for part in parts]
    assert rows == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [(part.num_parts, part.part_index) for part in parts] == [(3, 0), (3, 1), (3, 2)]
    with pytest.raises(ParameterError, match=r"part_index: expected 0 to 2"):
        mx.io.CSVIter(data, (1,), batch_size=2, num_parts=3, part_index=3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4", [[1, 2], [3, 4]]),
        ("1,2\r\n\r\n3,4\r\n\r\n", [[1, 2], [3, 4]]),
        ("\ufeff1, 2\n", [[1, 2]]),
        ('"1","2"\n', [[1, 2]]),
        ("1e3,-.5\nnan,inf\n", [[1000, -0.5], [np.nan, np.inf]]),
    ],
)
def test_spellings_that_are_read(write, text, expected):
    np.testing.assert_array_equal(mx.io.read_csv(write(text)), np.array(expected, np.float32))


def test_gzip_and_header(write):
    path = write(gzip.compress(b"a,b\n1,2\n"), "data.csv.gz")
    assert mx.io.read_csv(path, skip_header=True).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,x\n", r"data.csv, line 2, column 2: expected a number, got 'x'"),
        ("a,b\n3,4\n", r"data.csv, line 1, column 1: expected a number, got 'a'. .*skip_header=True"),
        ("1,2\n\n3,,4\n", r"data.csv, line 3, column 2: expected a number, got an empty cell"),
        ("1,2\n3,4\n5\n", r"data.csv, line 3: expected 2 columns, as in the lines before, got 1"),
        ("1,2\n3,4,5\n", r"data.csv, line 2: expected 2 columns, as in the lines before, got 3"),
        ("1,2\n1_000,2\n", r"data.csv, line 2, column 1: expected a number, got '1_000'"),
        (b"1,2\n\xff,4\n", r"data.csv, line 2, column 1: expected a number"),
        ("1;2\n", r"data.csv, line 1, column 1: expected a number, got '1;2'"),
        ("1,2 # note\n", r"data.csv, line 1, column 2"),
        ("", r"data.csv has no rows"),
        ("\n \n\n", r"data.csv has no rows"),
    ],
)
def test_bad_files_are_named_with_line_and_column(write, text, message):
    with pytest.raises(DataError, match=message):
        mx.io.read_csv(write(text))


def test_only_a_header(write):
    with pytest.raises(DataError, match="no rows"):
        mx.io.read_csv(write("a,b\n\n"), skip_header=True)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"absent.csv cannot be read: No such file"):
        mx.io.CSVIter(tmp_path / "absent.csv", (1,))
    with pytest.raises(DataError, match="cannot be read"):
        mx.io.read_csv(tmp_path)


def test_truncated_gzip(write):
    with pytest.raises(DataError, match=r"data.csv.gz cannot be read"):
        mx.io.read_csv(write(gzip.compress(b"1,2\n" * 1000)[:-9], "data.csv.gz"))


def test_shape_and_length_have_to_fit(write):
    data = write("1,2\n3,4\n")
    with pytest.raises(DataError, match=r"expected 3 columns for shape \(3,\), got 2 columns"):
        mx.io.CSVIter(data, (3,), batch_size=1)
    with pytest.raises(DataError, match=r"label.csv: expected 2 rows, as in .*data.csv, got 1"):
        mx.io.CSVIter(data, (2,), write("1\n", "label.csv"), batch_size=1)
    with pytest.raises(ParameterError, match="batch_size"):
        mx.io.CSVIter(data, (2,), batch_size=0)


@pytest.mark.parametrize("shape", [np.int64(2), 2, (np.int32(2),), np.array([2]), [1, 2]])
def test_shapes_of_rows_may_be_numpys(write, shape):
    iterator = mx.io.CSVIter(write("1,2\n3,4\n"), shape, batch_size=2)
    assert iterator.next().data[0].reshape(-1).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("shape", ["2", 2.0, None, (1, "2"), {}])
def test_shapes_of_rows_that_are_none(write, shape):
    with pytest.raises(ParameterError, match="shape of a row"):
        mx.io.CSVIter(write("1,2\n3,4\n"), shape, batch_size=2)


@pytest.mark.parametrize("shape", [(1 << 40, 1 << 40), (-1, -2), (0,), ()])
def test_shapes_of_rows_that_no_row_has(write, shape):
    with pytest.raises(DataError, match="columns for shape"):
        mx.io.CSVIter(write("1,2\n3,4\n"), shape, batch_size=2)
