from datetime import timedelta  # noqa: INP001 - tests/ holds rooms, it is no package

import pytest
from render_histories import Author

from ledger import events as e
from projections.api_keys import PAGE_API_KEYS_MAX, ApiKeyTable
from projections.port import Pool
from projections.projector import Projector


@pytest.fixture
def keys(pool: Pool) -> ApiKeyTable:
    return ApiKeyTable(pool)


def publish(author: Author, projector: Projector) -> None:
    author.flush()
    projector.catch_up()


def test_pages_meet_without_gap_or_overlap(author: Author, projector: Projector, keys: ApiKeyTable) -> None:
    made = [author.keys[author.key(project)].key_id for project in ("film", "game", "film", "film", "game")]
    Author(author.ledger, tenant="other", now=author.now).key("film")
    publish(author, projector)
    for project, expected in (("film", [made[3], made[2], made[0]]), (None, made[::-1])):
        seen: list[str] = []
        has_more = True
        while has_more:
            page = keys.page("acme", project, seen[-1] if seen else None, 2)
            seen += [each.key_id for each in page.api_keys]
            has_more = page.has_more
        assert seen == expected
    assert keys.page("other", "film").api_keys == ()
    for limit in (0, PAGE_API_KEYS_MAX + 1):
        with pytest.raises(ValueError, match="limit"):
            keys.page("acme", "film", limit=limit)


def test_a_row_is_as_the_facts_say_and_holds_no_hash(author: Author, projector: Projector, keys: ApiKeyTable) -> None:
    stream = author.key("film")
    publish(author, projector)
    (row,) = keys.page("acme", "film").api_keys
    assert (row.roles, row.spans_tenant, row.may_assert_requester) == (["requester", "admin"], True, True)
    assert (row.name, row.issued_position, row.version, row.revoked_at) == ("c2VhbGVk", 1, 1, None)
    assert author.keys[stream].digest not in repr(row)
    ends = author.now + timedelta(days=1)
    author.write(stream, e.KeyRotated(key_id=row.key_id, project="film", new_key_id="key_new", expires_at=ends))
    author.write(stream, e.KeyRevoked(key_id=row.key_id, project="film"))
    publish(author, projector)
    (row,) = keys.page("acme", "film").api_keys
    assert (row.replaced_by, row.expires_at, row.version) == ("key_new", ends, 3)
    assert row.revoked_at is not None


def test_only_keys_that_are_accepted_count(author: Author, projector: Projector, keys: ApiKeyTable) -> None:
    author.key("film")
    author.key("game")
    ending = author.key("film", expires_at=author.now + timedelta(days=1))
    author.write(author.key("film"), e.KeyRevoked(key_id="key_x", project="film"))
    publish(author, projector)
    ends = author.keys[ending].expires_at
    assert ends is not None
    assert keys.count("acme", "film", ends - timedelta(seconds=1)) == 2
    assert keys.count("acme", "film", ends) == 1
    assert keys.count("other", "film", ends) == 0
