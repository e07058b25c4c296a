"""The report."""

import json

from hqzoo.quantum import circuits
from hqzoo.quantum.diagnostics import diagnose, sampling


def test_report_of_a_small_circuit():
    found = diagnose(circuits.hq_unet(2, 2))
    assert (found.inert, found.redundant, found.linear.absorbed) == ((), 1, (6, 7))
    assert 0 < found.expressibility < 1
    assert found.entangling_capability > 0.5
    assert len(json.loads(json.dumps(found.to_dict()))["cones"]) == 8
    text = str(found)
    assert "5 of 8 weights effective; absorbed: 6-7" in text
    assert "<Z0>, <X0>: wires 0-3; data 0-11; weights 0-2, 4-6" in text
    assert "data 0-11: reachable 0 1; measured 0 1" in text


def test_report_without_weights():
    found = diagnose(circuits.quanvolution(2))
    assert found.gradients is None
    assert "no weights" in str(found)


def test_what_would_take_long_is_left_out_and_said_so(monkeypatch):
    monkeypatch.setattr(sampling, "MAX_FLOPS", 0)
    found = diagnose(circuits.hq_unet(2, 3))
    assert found.redundant is found.linear is found.entangling_capability is found.gradients is None
    assert found.cones[0].data_seen is None
    assert "not computed: it would take too long" in str(found)
