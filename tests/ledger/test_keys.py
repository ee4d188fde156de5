"""Sealing and erasing. The key stores pass one suite."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.envelope import Sealed
from ledger.errors import Corrupt, Erased
from ledger.keys import KEY_BYTES, NONCE_BYTES, Keys, KeyStore, MemoryKeyStore, Plain
from ledger.keystore import PostgresKeyStore

MASTER = bytes(range(KEY_BYTES))
FIELD = "render.intent.prompt"
PROMPT = "a heron in the fog 🎬"


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> KeyStore:
    if request.param == "memory":
        return MemoryKeyStore()
    return PostgresKeyStore(request.getfixturevalue("recorder"))


@pytest.fixture
def keys(store: KeyStore) -> Keys:
    return Keys(MASTER, store)


def seal(keys: Keys, text: str = PROMPT, **place: str) -> Sealed:
    return keys.seal(text, **{"requester": "key_1", "subject": "video_1", "field": FIELD, **place})


def test_a_store_keeps_the_first_key_of_a_name(store: KeyStore) -> None:
    assert store.get(["a"]) == {}
    assert store.add_all({"a": b"first"}) == {"a": b"first"}
    assert store.add_all({"b": b"other", "a": b"second"}) == {"a": b"first", "b": b"other"}
    assert store.get(["a", "b", "c"]) == {"a": b"first", "b": b"other"}


def test_a_destroyed_name_is_never_used_again(store: KeyStore) -> None:
    store.add_all({"a": b"first"})
    for name in ("a", "never seen"):
        store.destroy(name)
        store.destroy(name)
        assert store.get([name]) == {}
        assert store.add_all({name: b"again"}) == {}
        assert store.get([name]) == {}


def test_a_destroyed_key_takes_every_key_below_it(store: KeyStore) -> None:
    store.add_all(dict.fromkeys(("req", "req/a", "req/b", "req-2", "req-2/a"), b"key"))
    store.destroy("req/a")
    assert store.destroyed(["req", "req/a", "req/b", "unknown"]) == {"req/a"}
    assert store.below("req") == ["req/a", "req/b"], "destroyed names are kept"
    store.destroy("req")
    assert store.get(["req", "req/a", "req/b"]) == {}
    assert store.destroyed(["req", "req/a", "req/b"]) == {"req", "req/a", "req/b"}
    assert store.get(["req-2", "req-2/a"]) == {"req-2": b"key", "req-2/a": b"key"}
    assert store.below("nobody") == []


def test_texts_are_sealed_together_each_for_itself(keys: Keys) -> None:
    keys.destroy(requester="key_2")
    keys.destroy(requester="key_1", subject="video_2")
    texts = [
        Plain("one", "key_1", "video_1", FIELD),
        Plain("two", "key_1", "video_2", FIELD),
        Plain("three", "key_2", "video_3", FIELD),
        Plain("four", "key_1", "video_1", "render.intent.style"),
    ]
    one, two, three, four = keys.seal_all(texts)
    assert isinstance(two, Erased)
    assert isinstance(three, Erased)
    assert not isinstance(one, Erased)
    assert not isinstance(four, Erased)
    assert keys.open_all([one, four]) == {one: "one", four: "four"}


def test_a_requester_whose_key_was_changed_hinders_no_other(store: KeyStore) -> None:
    keys = Keys(MASTER, store)
    keys.seal("none", requester="key_0", subject="video_0", field=FIELD)
    store.add_all({"key_1": bytes(60)})
    texts = [Plain("one", "key_1", "video_1", FIELD), Plain("two", "key_2", "video_2", FIELD)]
    one, two = keys.seal_all(texts)
    assert isinstance(one, Corrupt)
    assert not isinstance(two, Exception)
    assert Keys(MASTER, store).open(two) == "two"


def test_sealed_text_opens_and_shows_nothing(keys: Keys) -> None:
    sealed = seal(keys)
    assert keys.open(sealed) == PROMPT
    assert "heron" not in sealed
    assert base64.b64encode(PROMPT.encode()).decode()[:12] not in sealed
    assert seal(keys) != sealed  # a nonce of its own each time
    assert keys.open(seal(keys, "")) == ""


def test_another_process_with_the_same_master_key_opens_it(store: KeyStore) -> None:
    sealed = seal(Keys(MASTER, store))
    assert Keys(MASTER, store).open(sealed) == PROMPT


def test_two_processes_with_a_master_key_each_do_not_seal_one_ledger(store: KeyStore) -> None:
    ours, theirs = Keys(MASTER, store), Keys(bytes(KEY_BYTES), store)
    assert ours.fits()
    assert theirs.fits(), "nothing is sealed when both begin"
    ours.seal("a kite", requester="req-1", subject="video_1", field="render.intent.prompt")
    with pytest.raises(Corrupt, match="not the one that this ledger was sealed with"):
        theirs.seal("a boat", requester="req-2", subject="video_2", field="render.intent.prompt")
    assert store.get(["req-2", "req-2/video_2"]) == {}
    assert (ours.fits(), theirs.fits(), Keys(MASTER, store).fits()) == (True, False, True)


def test_another_master_key_opens_nothing(store: KeyStore) -> None:
    sealed = seal(Keys(MASTER, store))
    with pytest.raises(Corrupt, match="master key"):
        Keys(bytes(KEY_BYTES), store).open(sealed)


def test_a_master_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keys(b"short", MemoryKeyStore())


@pytest.mark.parametrize(
    ("old", "new"),
    [("/video_1.", "/video_2."), ("intent.prompt", "intent.filename"), ("key_1/", "key_2/")],
    ids=["to another render", "to another field", "to another requester"],
)
def test_ciphertext_moved_elsewhere_does_not_open(keys: Keys, old: str, new: str) -> None:
    seal(keys, subject="video_2")
    seal(keys, requester="key_2")
    sealed = seal(keys)
    assert old in sealed
    with pytest.raises(Corrupt, match="moved"):
        keys.open(Sealed(sealed.replace(old, new)))


MEMORY_KEYS = Keys(MASTER, MemoryKeyStore())


@given(st.data())
def test_changed_text_never_opens(data: st.DataObject) -> None:
    sealed = seal(MEMORY_KEYS)
    at = data.draw(st.integers(0, len(sealed) - 1))
    char = data.draw(st.characters(codec="utf-8").filter(lambda char: char != sealed[at]))
    with pytest.raises((Corrupt, Erased)):
        MEMORY_KEYS.open(Sealed(sealed[:at] + char + sealed[at + 1 :]))


@pytest.mark.parametrize("tail", ["!", "\n", "=", " ", "AAAA", "é"])
def test_added_text_does_not_open(tail: str) -> None:
    with pytest.raises(Corrupt):
        MEMORY_KEYS.open(Sealed(seal(MEMORY_KEYS) + tail))


def test_a_last_character_with_the_same_bits_does_not_open() -> None:
    """Base64 has several spellings of one ciphertext; only the one that was written is taken."""
    sealed = seal(MEMORY_KEYS, "four")  # 32 bytes: the last character but one carries two unused bits
    assert sealed.endswith("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = alphabet[alphabet.index(sealed[-2]) + 1]
    with pytest.raises(Corrupt):
        MEMORY_KEYS.open(Sealed(sealed[:-2] + sibling + "="))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a heron",
        "s2.key_1/video_1.render.intent.prompt.AAAA",
        "s1.key_1.render.intent.prompt.AAAA",
        "s1.key_1/video_1.render.intent.prompt.",
        "s1.key_1/video_1.render.intent.prompt.A",
        "s1.key_1/video_1.render.intent.prompt." + base64.urlsafe_b64encode(bytes(NONCE_BYTES)).decode(),
    ],
)
def test_what_was_never_sealed_is_corrupt(text: str) -> None:
    with pytest.raises(Corrupt):
        MEMORY_KEYS.open(Sealed(text))


def test_a_destroyed_key_erases_its_subject_and_only_that(keys: Keys) -> None:
    erased, kept = seal(keys), seal(keys, subject="video_2")
    keys.destroy(requester="key_1", subject="video_1")
    with pytest.raises(Erased):
        keys.open(erased)
    with pytest.raises(Erased):
        seal(keys)
    assert keys.open(kept) == PROMPT


def test_a_destroyed_requester_erases_everything_below_for_ever(keys: Keys) -> None:
    one, two, other = seal(keys), seal(keys, subject="video_2"), seal(keys, requester="key_2")
    keys.destroy(requester="key_1")
    for sealed in (one, two):
        with pytest.raises(Erased):
            keys.open(sealed)
    with pytest.raises(Erased):
        seal(keys, subject="video_3")
    assert keys.open(other) == PROMPT


def test_a_subject_destroyed_before_its_first_text_stays_erased(keys: Keys) -> None:
    keys.destroy(requester="key_1", subject="video_1")
    with pytest.raises(Erased):
        seal(keys)


@pytest.mark.parametrize("bad", ["", "a.b", "a/b", "a|b", "a b", "a\n", "é", "x" * 129])
def test_ids_that_could_be_mistaken_for_others_are_refused(bad: str) -> None:
    for place in ({"requester": bad}, {"subject": bad}):
        with pytest.raises(ValueError, match="opaque id"):
            seal(MEMORY_KEYS, **place)
        with pytest.raises(ValueError, match="opaque id"):
            MEMORY_KEYS.destroy(**{"requester": "key_1", "subject": "video_1", **place})


def test_an_empty_subject_does_not_destroy_the_requester() -> None:
    sealed = seal(MEMORY_KEYS)
    with pytest.raises(ValueError, match="opaque id"):
        MEMORY_KEYS.destroy(requester="key_1", subject="")
    assert MEMORY_KEYS.open(sealed) == PROMPT


@pytest.mark.parametrize("bad", ["", "prompt", "render.", ".prompt", "Render.prompt", "a.b|c", "a/b.c", "a.b\n"])
def test_a_field_is_named_type_and_field(bad: str) -> None:
    with pytest.raises(ValueError, match=r"type\.field"):
        seal(MEMORY_KEYS, field=bad)


@given(text=st.text(), requester=st.from_regex(r"[A-Za-z0-9_:@-]{1,128}", fullmatch=True))
def test_every_text_comes_back(text: str, requester: str) -> None:
    assert MEMORY_KEYS.open(seal(MEMORY_KEYS, text, requester=requester)) == text


def test_threads_that_seal_first_at_the_same_time_make_one_key(keys: Keys) -> None:
    with ThreadPoolExecutor(8) as threads:
        sealed = list(threads.map(lambda number: seal(keys, str(number)), range(16)))
    assert [keys.open(each) for each in sealed] == [str(number) for number in range(16)]


def test_digests_are_keyed_and_bound_to_their_purpose() -> None:
    ours, theirs = Keys(MASTER, MemoryKeyStore()), Keys(bytes(KEY_BYTES), MemoryKeyStore())
    digest = ours.digest("idempotency", b"request")
    assert digest == Keys(MASTER, MemoryKeyStore()).digest("idempotency", b"request")
    assert len(digest) == 64
    others = {
        theirs.digest("idempotency", b"request"),
        ours.digest("fingerprint", b"request"),
        ours.digest("idempotency", b"request "),
    }
    assert len(others | {digest}) == 4


def test_the_database_holds_no_key_in_the_clear(recorder: object) -> None:
    store = PostgresKeyStore(recorder)
    keys = Keys(MASTER, store)
    seal(keys)
    wrapped = store.get(["key_1/video_1"])["key_1/video_1"]
    assert len(wrapped) == NONCE_BYTES + KEY_BYTES + 16


def test_several_texts_are_opened_at_once_and_the_erased_ones_are_none(keys: Keys) -> None:
    sealed = [
        keys.seal(f"text {number}", requester="key_1", subject=f"video_{number}", field="render.intent.prompt")
        for number in range(3)
    ]
    keys.destroy(requester="key_1", subject="video_1")
    assert list(keys.open_all(sealed).values()) == ["text 0", None, "text 2"]
