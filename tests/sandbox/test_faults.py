"""Faults of the sandbox: each world counts down its own."""

from kaskad.sandbox.faults import Fault, Faults


def test_a_fault_that_is_set_twice_strikes_as_often_each_time() -> None:
    fault = Fault("email", "throttle", left=1)
    for _ in range(2):
        faults = Faults(1, {"email": frozenset({"throttle"})})
        faults.set([fault])
        assert faults.strike(["email"], ["throttle"]) is not None
        assert faults.strike(["email"], ["throttle"]) is None
