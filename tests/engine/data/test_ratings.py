import pytest

from engine.core.errors import InputError, UsageError
from engine.data.ratings import RatingScale, read_rating_lists, read_ratings

NINE = RatingScale.parse("minmax")
EXPECTED = {"1": (0.0, 0.5), "2": (1.0, 0.25)}
ROWS = ("1,1,5", "2,9,3")


@pytest.fixture
def table(tmp_path):
    def write(content):
        path = tmp_path / "ratings.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("header", ["", "image,valence,arousal", "id,v,a"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_table_is_read_with_and_without_header_whatever_ends_its_lines(table, header, end, mark):
    lines = [*([header] if header else []), *ROWS, ""]
    read = read_ratings(table(mark + end.join(lines).encode()), NINE)
    assert read.va == EXPECTED
    assert read.faults == ()


@pytest.mark.parametrize("name", ["1", "1.0", "0001", "0001.jpg", "1.JPEG", " 1 "])
def test_several_spellings_name_the_same_image(table, name):
    assert set(read_ratings(table(f"{name},1,5\n"), NINE).va) == {"1"}


def test_the_columns_of_a_wide_table_are_found_by_their_names(table):
    text = ",Theme,Category,Valence_mean,Valence_SD,Arousal_mean\rI1,War 2 ,Scene,7,1,4\r"
    read = read_ratings(table(text), RatingScale.parse("1..7"))
    assert read.va == {"war 2": (1.0, 0.5)}


def test_faulty_rows_are_reported_by_line_and_the_rest_is_read(table):
    read = read_ratings(table("image,valence,arousal\n1,1,5\n3,nan,5\n4,12,5\n5,1\n2,9,3\n"), NINE)
    assert read.va == EXPECTED
    assert [fault.split(":")[0] for fault in read.faults] == ["line 3", "line 4", "line 5"]
    assert "not on the scale 1..9" in read.faults[1]


def test_if_an_image_is_rated_twice_the_last_row_counts(table):
    read = read_ratings(table("1,9,9\n1,1,5\n"), NINE)
    assert read.va == {"1": (0.0, 0.5)}
    assert "twice" in read.faults[0]


def test_two_lists_belong_to_images_by_line(tmp_path):
    for name, text in (("v.txt", "1\n9\n"), ("a.txt", "5\n3\n")):
        (tmp_path / name).write_text(text)
    assert read_rating_lists(tmp_path / "v.txt", tmp_path / "a.txt", NINE).va == EXPECTED
    (tmp_path / "a.txt").write_text("5\n")
    with pytest.raises(InputError, match="2 ratings and"):
        read_rating_lists(tmp_path / "v.txt", tmp_path / "a.txt", NINE)


def test_an_empty_line_of_a_list_is_an_image_without_a_rating(tmp_path):
    (tmp_path / "v.txt").write_text("1\n\n9\n\n\n")
    (tmp_path / "a.txt").write_text("5\n5\n3\n")
    read = read_rating_lists(tmp_path / "v.txt", tmp_path / "a.txt", NINE)
    assert read.va == {"1": (0.0, 0.5), "3": (1.0, 0.25)}
    assert read.faults[0].startswith("line 2:")


def test_a_missing_rating_in_the_first_row_is_not_a_header(table):
    read = read_ratings(table("3,nan,5\n1,1,5\n2,9,3\n"), NINE)
    assert read.va == EXPECTED
    assert read.faults[0].startswith("line 1:")


@pytest.mark.parametrize("text", ["7..1", "nine", "1.."])
def test_an_impossible_scale_is_refused(text):
    with pytest.raises(ValueError, match=r"scale|number"):
        RatingScale.parse(text)


def test_an_empty_or_a_missing_table_is_an_error(table, tmp_path):
    with pytest.raises(InputError, match="has no ratings"):
        read_ratings(table("\n\n"), NINE)
    with pytest.raises(UsageError, match="there is no ratings file"):
        read_ratings(tmp_path / "none.csv", NINE)
    with pytest.raises(InputError, match="has no columns"):
        read_ratings(table("image,joy,fear,rage\n1,2,3,4\n"), NINE)
