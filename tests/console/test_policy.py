from tests.console.visits import visitor
from tests.http.houses import FOREIGN_KEY, FOREIGN_ROOT_KEY, ROOT_KEY, Kit

HOSTILE = "<script>alert(1)</script>"


def _text(kit: Kit) -> str:
    return str(visitor(kit, ROOT_KEY).get("/policy.json").json()["policy"]["text"])


def _another(kit: Kit) -> str:
    return f"# {HOSTILE}\n{_text(kit)}"


def test_another_policy_is_published_and_what_changed_is_shown(kit: Kit) -> None:
    root = visitor(kit, ROOT_KEY)
    assert "The built-in policy" in root.get("/policy").text
    before, text = _text(kit), _another(kit)
    answer = root.post("/policy/publish", text=text.replace("\n", "\r\n"))
    assert answer.headers["location"] == "/policy?done=published", answer.text
    page, html = root.get("/policy.json").json(), root.get("/policy").text
    assert (page["policy"]["version"], page["policy"]["text"], page["is_in_force"]) == (1, text, True)
    assert [each["text"] for each in page["diff"] if each["kind"] == "added"] == [f"# {HOSTILE}"]
    assert HOSTILE not in html
    root.post("/policy/publish", text=before)
    old = root.get("/policy.json?version=1").json()
    assert (old["policy"]["text"], old["is_in_force"]) == (text, False)
    assert [each["version"] for each in old["versions"]] == [2, 1]
    assert root.get("/policy?version=7").status_code == 404


def test_a_policy_is_looked_at_as_it_is_written(kit: Kit) -> None:
    root = visitor(kit, ROOT_KEY)
    good = root.post("/policy/lint", text=_another(kit)).text
    assert "In order" in good
    assert HOSTILE not in good
    bad = root.post("/policy/lint", text="rules: [{id: 7}]").text
    assert "It cannot be used" in bad
    assert "line 1" in bad


def test_the_past_is_asked_what_it_would_have_been(kit: Kit) -> None:
    kit.create()
    kit.create(HOSTILE)
    root = visitor(kit, ROOT_KEY)
    assert "No policy was tried out" in root.get("/policy/backtest").text
    assert root.post("/policy/backtest", text=_another(kit), since="2026-11-01").status_code == 303
    page, html = root.get("/policy/backtest.json").json(), root.get("/policy/backtest").text
    assert page["report"]["total"]["intents"] == 2
    assert page["flipped"] == 0
    assert "Nothing would have been decided otherwise" in html
    assert "--since 2026-11-01" in page["check"]["command"]
    assert HOSTILE in root.get("/policy/new.json?tested=1").json()["text"]
    assert root.post("/policy/backtest", text="rules: 7").status_code == 400
    assert root.post("/policy/backtest", text=_another(kit), since="soon").status_code == 400


def test_an_admin_of_one_project_asks_about_that_project_alone_and_publishes_nothing(kit: Kit) -> None:
    admin, auditor = visitor(kit), visitor(kit, kit.issue("auditor"))
    text = _another(kit)
    assert admin.post("/policy/publish", text=text).status_code == 403
    assert auditor.post("/policy/publish", text=text).status_code == 403
    assert "/policy/publish" not in admin.get("/policy/new").text
    admin.post("/policy/backtest", text=text)
    assert "--project alpha" in admin.get("/policy/backtest.json").json()["check"]["command"]
    assert auditor.get("/policy/backtest.json").json()["check"] is None
    assert visitor(kit, kit.issue("requester")).get("/policy").status_code == 403


def test_another_tenant_sees_and_tries_out_its_own_policy_on_its_own_past(kit: Kit) -> None:
    text = _another(kit)
    kit.create()
    kit.create(key=FOREIGN_KEY)
    kit.create(key=FOREIGN_KEY)
    visitor(kit, ROOT_KEY).post("/policy/publish", text=text)
    foreign = visitor(kit, FOREIGN_ROOT_KEY)
    assert foreign.get("/policy.json").json()["versions"] == []
    assert foreign.post("/policy/backtest", text=text).status_code == 303
    page = foreign.get("/policy/backtest.json").json()
    assert page["report"]["total"]["intents"] == 2
    assert "--tenant acme" in page["check"]["command"]
