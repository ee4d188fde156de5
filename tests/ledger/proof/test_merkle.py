"""The tree against the vectors of Certificate Transparency, and against the definitions of RFC 6962 word for word."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.proof.errors import Mismatch, NotCovered
from ledger.proof.leaves import leaf_hash
from ledger.proof.merkle import (
    EMPTY_ROOT,
    Leaves,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    node_hash,
    root,
    root_of,
)
from tests.trying import tries

from .vectors import CONSISTENCY, INCLUSION, LEAVES, ROOTS

REFERENCE = [leaf_hash(each) for each in LEAVES]
SIZE_MAX = 600


def numbered(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(8, "big")) for number in range(count)]


MANY = numbered(SIZE_MAX)
sizes = st.integers(1, SIZE_MAX)


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    half = naive_split(len(leaves))
    return node_hash(naive_root(leaves[:half]), naive_root(leaves[half:]))


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    half = naive_split(len(leaves))
    if index < half:
        return [*naive_path(index, leaves[:half]), naive_root(leaves[half:])]
    return [*naive_path(index - half, leaves[half:]), naive_root(leaves[:half])]


def naive_subproof(old: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    half = naive_split(len(leaves))
    if old <= half:
        return [*naive_subproof(old, leaves[:half], whole=whole), naive_root(leaves[half:])]
    return [*naive_subproof(old - half, leaves[half:], whole=False), naive_root(leaves[:half])]


def naive_split(count: int) -> int:
    half = 1
    while half * 2 < count:
        half *= 2
    return half


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_reference_tree(size: int) -> None:
    assert root(Leaves(REFERENCE), size) == root_of(REFERENCE[:size]) == ROOTS[size]


@pytest.mark.parametrize("at", INCLUSION)
def test_inclusion_proofs_are_those_of_the_reference_tree(at: tuple[int, int]) -> None:
    index, size = at
    proof = inclusion_proof(Leaves(REFERENCE), index, size)
    assert [each.hex() for each in proof] == [*INCLUSION[at]]
    check_inclusion(leaf=REFERENCE[index], index=index, size=size, proof=proof, root=ROOTS[size])


@pytest.mark.parametrize("at", CONSISTENCY)
def test_consistency_proofs_are_those_of_the_reference_tree(at: tuple[int, int]) -> None:
    old, new = at
    proof = consistency_proof(Leaves(REFERENCE), old, new)
    assert [each.hex() for each in proof] == [*CONSISTENCY[at]]
    check_consistency(old=old, old_root=ROOTS[old], new=new, new_root=ROOTS[new], proof=proof)


@settings(max_examples=tries(60))
@given(size=sizes, pick=st.integers(0, SIZE_MAX - 1))
def test_inclusion_proofs_are_those_of_the_definition(size: int, pick: int) -> None:
    index = pick % size
    leaves = MANY[:size]
    proof = inclusion_proof(Leaves(leaves), index, size)
    assert proof == naive_path(index, leaves)
    check_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=naive_root(leaves))


@settings(max_examples=tries(60))
@given(size=sizes, pick=st.integers(0, SIZE_MAX))
def test_consistency_proofs_are_those_of_the_definition(size: int, pick: int) -> None:
    old = pick % (size + 1)
    leaves = MANY[:size]
    proof = consistency_proof(Leaves(leaves), old, size)
    assert proof == (naive_subproof(old, leaves, whole=True) if old else [])
    check_consistency(old=old, old_root=naive_root(leaves[:old]), new=size, new_root=naive_root(leaves), proof=proof)


@settings(max_examples=tries(60))
@given(st.data())
def test_an_inclusion_proof_proves_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 80))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(Leaves(MANY), index, size)
    said = {"leaf": MANY[index], "index": index, "size": size, "proof": proof, "root": root(Leaves(MANY), size)}
    # A last leaf has left siblings only, at whatever size. Of which size a root is, its checkpoint says, not a proof.
    larger = [{"size": size + 1, "index": size}] if index < size - 1 else []
    wrong = data.draw(
        st.sampled_from(
            [
                *larger,
                {"leaf": MANY[(index + 1) % size]},
                {"index": (index + 1) % size},
                {"index": size},
                {"index": -1},
                {"proof": proof[:-1]},
                {"proof": [*proof, proof[0]]},
                {"proof": [MANY[-1], *proof[1:]]},
                {"root": MANY[0]},
            ]
        )
    )
    check_inclusion(**said)
    with pytest.raises(Mismatch):
        check_inclusion(**{**said, **wrong})


@settings(max_examples=tries(60))
@given(st.data())
def test_a_consistency_proof_proves_nothing_else(data: st.DataObject) -> None:
    new = data.draw(st.integers(3, 80))
    old = data.draw(st.integers(1, new - 1))
    nodes = Leaves(MANY)
    proof = consistency_proof(nodes, old, new)
    said = {"old": old, "old_root": root(nodes, old), "new": new, "new_root": root(nodes, new), "proof": proof}
    wrong = data.draw(
        st.sampled_from(
            [
                {"old_root": MANY[-1]},
                {"new_root": MANY[-1]},
                {"old": new, "new": old},
                {"old": 0},
                {"new": old},
                {"proof": proof[:-1]},
                {"proof": [*proof, MANY[-1]]},
                {"proof": [MANY[-1], *proof[1:]]},
            ]
        )
    )
    check_consistency(**said)
    with pytest.raises(Mismatch):
        check_consistency(**{**said, **wrong})


def test_the_empty_tree_has_one_root() -> None:
    check_consistency(old=0, old_root=EMPTY_ROOT, new=0, new_root=EMPTY_ROOT, proof=[])
    with pytest.raises(Mismatch):
        check_consistency(old=0, old_root=ROOTS[1], new=0, new_root=ROOTS[1], proof=[])


def test_what_the_tree_does_not_have_is_not_proven() -> None:
    with pytest.raises(NotCovered):
        inclusion_proof(Leaves(REFERENCE), 8, 8)
    with pytest.raises(NotCovered):
        consistency_proof(Leaves(REFERENCE), 8, 7)
