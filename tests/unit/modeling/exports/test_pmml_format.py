"""PMML exports: what XML would not keep is refused, and infinite thresholds part as the model does."""

from dataclasses import replace
from xml.etree import ElementTree as Xml

import pandas as pd
import pytest

from perennial.errors import NotExportable
from perennial.modeling.exports import pmml_format
from perennial.modeling.exports.plain import Leaf, LookUp, PlainModel, Split, Trees


@pytest.mark.parametrize("category", ["", " UA", "U  A", "U\nA", "U\x00A"])
def test_categories_that_xml_does_not_keep_are_refused(category: str) -> None:
    plain = PlainModel(
        ("c",), (LookUp("c", {category: 1.0}, -1.0, -1.0),), Trees(((Leaf(0.5),),), 0.0, 1.0), "identity"
    )
    with pytest.raises(NotExportable, match="may not read back"):
        pmml_format.write(plain)
    (look_up,) = plain.look_ups
    assert pmml_format.write(replace(plain, look_ups=(replace(look_up, values={"Ü & <A>": 1.0}),)))


def test_a_threshold_that_is_infinite_parts_missing_values_from_all_others() -> None:
    tree = (Split(0, float("inf"), False, 1, 2), Leaf(1.0), Leaf(2.0))
    content = pmml_format.write(PlainModel(("x",), (), Trees((tree,), 0.5, 1.0), "identity"))
    Xml.fromstring(content)
    found = pmml_format.predict(content, pd.DataFrame({"x": [1e300, -1e300, float("nan")]}), frozenset())
    assert list(found) == [1.5, 1.5, 2.5]
