"""The words for data sets: paths with commas, stars, quotes and kinds in them, and the words that come back."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vinpaint_lib.datasets.parse import Source, parse_source, split_sources, without_places
from vinpaint_lib.errors import UserError
from vinpaint_lib.evaluate import Evaluation
from vinpaint_lib.options import parse_names, spell_names

WORDS = {
    "toy": [("toy", "", "")],
    "toy*0.5": [("toy", "", "0.5")],
    "videos:walks, 2026": [("videos", "walks, 2026", "")],
    "videos:a,b,c": [("videos", "a,b,c", "")],
    "videos:a,photos:b": [("videos", "a", ""), ("photos", "b", "")],
    "videos:a , photos:b ,toy": [("videos", "a", ""), ("photos", "b", ""), ("toy", "", "")],
    "videos:a, b*2, toy": [("videos", "a, b", "2"), ("toy", "", "")],
    "videos:take*two": [("videos", "take*two", "")],
    "videos:*": [("videos", "*", "")],
    "videos:a*3": [("videos", "a", "3")],
    'videos:"a*3"': [("videos", "a*3", "")],
    "videos:'a*3'*2": [("videos", "a*3", "2")],
    'videos:"a, toy",toy': [("videos", "a, toy", ""), ("toy", "", "")],
    'videos:"a,photos:b"': [("videos", "a,photos:b", "")],
    "videos:it's": [("videos", "it's", "")],
    'videos:"half': [("videos", '"half', "")],
    "videos:C:\\clips": [("videos", "C:\\clips", "")],
    "videos:a, toys": [("videos", "a, toys", "")],
    "sintel-final:a,sintel:b": [("sintel-final", "a", ""), ("sintel", "b", "")],
    "davis:a,b,youtube-vos:c, d*1.5": [("davis", "a,b", ""), ("youtube-vos", "c, d", "1.5")],
}


@pytest.mark.parametrize("text", WORDS)
def test_a_path_ends_where_another_source_begins(text):
    assert split_sources(text) == [Source(*source) for source in WORDS[text]]


@pytest.mark.parametrize("text", WORDS)
def test_the_words_of_a_source_mean_it_again(text):
    named = split_sources(text)
    assert split_sources(",".join(map(str, named))) == named


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "toys",
        "toy:x",
        "davis",
        "davis:",
        "toy*0",
        "toy*-1",
        "toy,",
        "videos:a*0",
        ",toy",
        "walks:a, b",
        "toy toy",
    ],
)
def test_what_names_no_source_is_refused(text):
    with pytest.raises(UserError, match="is no source of clips; use toy, davis:PATH"):
        split_sources(text)


@pytest.mark.parametrize("name", ["walks, 2026", "a*b", "it's, #1", "a, toy's"])
def test_such_folders_open(tmp_path, name):
    (tmp_path / name).mkdir()
    Image.fromarray(np.zeros((24, 40, 3), np.uint8)).save(tmp_path / name / "0.png")
    assert len(parse_source(f"photos:{tmp_path / name}")) == 1
    assert len(parse_source(f'photos:"{tmp_path / name}"*2, photos:{tmp_path / name}')) == 2


def test_places_are_left_out_of_weights():
    assert without_places("davis:/data/DAVIS, videos:/my/clips*3,toy*0.5") == "davis:DAVIS,videos:clips*3,toy*0.5"
    assert without_places('photos:/my/a, b,videos:"/x/y, toy"') == 'photos:"a, b",videos:"y, toy"'
    assert without_places("toy") == "toy"
    assert without_places("clips:/gone/a,toy") == "clips:a,toy"  # of an old file


def test_names_of_clips_may_hold_commas():
    names = ["a", "b, c", "d"]
    assert parse_names('a, "b, c" ,d,') == names
    assert parse_names("") == parse_names(" , ") == []
    assert parse_names(spell_names(names)) == names
    odd = ['a"b,c', '"x', 'y"', "z'q"]
    assert parse_names(spell_names(odd)) == odd
    assert parse_names("a\rb,c\nd") == ["a b", "c d"]
    asked = Evaluation(models=("telea",), data=f"videos:{Path('walks, 2026')}", clips=names)
    assert """--data 'videos:walks, 2026'""" in asked.command()
    assert """--clips 'a,"b, c",d'""" in asked.command()
