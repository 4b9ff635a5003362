"""What a vendor counts: jobs are started once, and only what was started is counted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.core.errors import (
    ApplianceError,
    Cancelled,
    ExportNotReady,
    ExportUnsafe,
    SourceRefused,
    SourceUnreachable,
)
from appliance.core.ports import Watch

from .conftest import NOW
from .test_following import CSV, JOB
from .vendor import files

DEAR = JOB.replace('job = "12h"', 'job = "12h"\ncooldown = "15d"')
ONE_A_DAY = 'quota = { starts = 1, per = "24h" }\n'


def done(vendor, *jobs: int) -> None:
    """Have the vendor make the export of each job."""
    for job in jobs:
        vendor.says(f"/exports/{job}", {"state": "done", "link": f"/{job}", "rows": 2})
        vendor.says(f"/{job}", (200, CSV))


def starts(vendor) -> int:
    return sum(each.startswith("POST") for each in vendor.asked)


@pytest.mark.parametrize(
    "no",
    [
        (401, b""),
        (403, b""),
        (409, b""),
        (429, b"", {"Retry_After": "7200"}),
        (200, {"error": {"message": "no backups in this plan"}}),
        (200, {"state": "refused"}),
    ],
    ids=["401", "403", "409", "429", "an error with a good status", "fail"],
)
def test_a_start_that_was_refused_is_not_counted(vendor, follow, no):
    vendor.says("/exports", no)
    done(vendor, 7)
    recipe = ONE_A_DAY + DEAR.replace("save.job", "fail = \"body.state == 'refused'\"\nsave.job")
    with pytest.raises(ApplianceError):
        follow(recipe)
    vendor.says("/exports", {"id": 7})

    assert files(follow(recipe)) == {"all.csv": CSV}


def test_a_start_that_is_not_for_us_is_not_counted(vendor, follow):
    vendor.says("/exports", (403, b""), {"id": 7})
    done(vendor, 7)
    recipe = ONE_A_DAY + DEAR.replace("save.job", "skip = [403]\nsave.job")
    with pytest.raises(SourceRefused):
        follow(recipe)

    assert files(follow(recipe)) == {"all.csv": CSV}


def test_a_start_that_never_left_this_machine_is_not_counted(vendor, follow):
    recipe = ONE_A_DAY + DEAR
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        follow('base = "https://localhost:9"\n' + recipe)
    vendor.says("/exports", {"id": 7})
    done(vendor, 7)

    assert files(follow(recipe)) == {"all.csv": CSV}


def test_a_start_whose_request_cannot_be_made_is_not_counted(vendor, follow):
    recipe = ONE_A_DAY + DEAR
    vendor.says("/kinds", {})
    before = '[[step]]\nurl = "/kinds"\nsave.what = "body.what"\n'
    with pytest.raises(ExportUnsafe):
        follow(ONE_A_DAY + before + DEAR.replace('"all"', '"${what}"'))
    vendor.says("/exports", {"id": 7})
    done(vendor, 7)

    assert files(follow(recipe)) == {"all.csv": CSV}


def test_a_start_that_waits_its_turn_and_is_cancelled_is_not_counted(vendor, follow):
    watch = Watch()

    def busy(request):
        watch.cancel.set()
        return (429, b"", {"Retry_After": "30"})

    vendor.says("/exports", busy, {"id": 7})
    done(vendor, 7)
    with pytest.raises(Cancelled):
        follow(DEAR, watch=watch)

    assert files(follow(DEAR)) == {"all.csv": CSV}


def test_a_start_that_is_answered_when_somebody_cancels_is_not_forgotten(vendor, follow):
    watch = Watch()

    def begun(request):
        watch.cancel.set()
        return {"id": 7}

    vendor.says("/exports", begun)
    done(vendor, 7)
    with pytest.raises(Cancelled):
        follow(JOB, watch=watch)

    assert files(follow(JOB)) == {"all.csv": CSV}
    assert starts(vendor) == 1


@pytest.mark.parametrize(
    "said",
    [
        (503, b"", {"Retry_After": "1"}),
        (500, b""),
        (200, b"<html>sign in</html>"),
        (303, b"", {"Location": "https://elsewhere.example/status"}),
        (303, b"", {"Location": "https://localhost:9/status"}),
    ],
    ids=["503", "500", "a web page", "sent on to a stranger", "sent on to nobody"],
)
def test_a_start_of_which_nobody_knows_whether_it_was_heard_is_counted_and_sent_once(
    vendor, follow, said
):
    vendor.says("/exports", said, {"id": 7})
    with pytest.raises(ApplianceError):
        follow(DEAR)

    with pytest.raises(ExportNotReady, match="its answer never came"):
        follow(DEAR)

    assert starts(vendor) == 1


def test_a_start_by_get_is_not_sent_again_on_a_connection_that_was_hung_up(vendor, follow):
    recipe = '[[step]]\nurl = "/hello"\n' + JOB.replace('method = "POST"\n', "").replace(
        'json = { what = "all" }\n', ""
    )
    vendor.says("/hello", {})
    vendor.says("/exports", lambda r: r.cut(), {"id": 7})

    with pytest.raises(SourceUnreachable):
        follow(recipe)

    assert vendor.asked == ["GET /hello", "GET /exports"]


@pytest.mark.parametrize("end", [(404, b""), {"state": "failed", "message": "no room"}])
def test_a_dear_job_that_fails_is_not_started_again_too_soon(vendor, follow, monkeypatch, end):
    monkeypatch.setattr("appliance.sources.recipe.jobs.LONGEST_WAIT", timedelta(seconds=-1))
    vendor.says("/exports", {"id": 7}, {"id": 8})
    vendor.says("/exports/7", {"state": "pending"}, end)
    done(vendor, 8)
    with pytest.raises(ExportNotReady, match="still making"):
        follow(DEAR)
    for hours in (1, 2, 13 * 24):
        with pytest.raises(ExportNotReady, match="has failed, or is gone"):
            follow(DEAR, now=NOW + timedelta(hours=hours))
    assert starts(vendor) == 1

    assert files(follow(DEAR, now=NOW + timedelta(days=15))) == {"all.csv": CSV}


def test_a_web_page_while_we_wait_is_no_failed_job(vendor, follow, monkeypatch):
    monkeypatch.setattr("appliance.sources.recipe.jobs.LONGEST_WAIT", timedelta(seconds=-1))
    vendor.says("/exports", {"id": 7}, {"id": 8})
    vendor.says("/exports/7", {"state": "pending"}, (200, b"<html>maintenance</html>"))
    with pytest.raises(ExportNotReady):
        follow(JOB)
    with pytest.raises(SourceRefused, match="web page"):
        follow(JOB)
    done(vendor, 7)

    assert files(follow(JOB)) == {"all.csv": CSV}
    assert starts(vendor) == 1


def test_a_link_that_a_job_told_leads_to_the_same_place_in_the_next_pull(vendor, follow):
    recipe = """
    [[step]]
    name = "start"
    method = "POST"
    url = "/v2/exports"
    job = "12h"
    save.status = "body.status"
    [[step]]
    url = "${status}"
    until = "body.done"
    save.link = "body.link"
    [[step]]
    url = "${link}"
    to = "all.csv"
    """
    vendor.says("/v2/exports", {"status": "jobs/7"})
    vendor.says("/v2/jobs/7", *[(500, b"")] * 4, {"done": True, "link": "/a"})
    vendor.says("/a", (200, CSV))
    with pytest.raises(SourceUnreachable):
        follow(recipe)

    assert files(follow(recipe)) == {"all.csv": CSV}
    assert starts(vendor) == 1


def test_a_job_that_is_started_once_and_gone_is_started_anew(vendor, follow):
    vendor.says("/exports", {"id": 7}, {"id": 8})
    vendor.says("/exports/7", *[(500, b"")] * 4, (404, b""))
    done(vendor, 8)
    recipe = JOB.replace("[[step]]", "[[step]]\nonce = true", 2)
    with pytest.raises(SourceUnreachable):
        follow(recipe)

    assert files(follow(recipe)) == {"all.csv": CSV}


def test_another_backup_after_a_broken_file_has_another_one_made(vendor, follow):
    vendor.says("/exports", {"id": 7}, {"id": 8})
    vendor.says("/exports/7", {"state": "done", "link": "/7", "rows": 3})
    vendor.says("/7", (200, CSV))
    done(vendor, 8)
    with pytest.raises(ExportUnsafe, match="not whole"):
        follow(JOB)

    assert files(follow(JOB)) == {"all.csv": CSV}


def test_a_clock_that_was_years_behind_lets_nothing_be_started_again(vendor, follow):
    vendor.says("/exports", {"id": 7})
    done(vendor, 7)
    follow(DEAR)
    long_ago = NOW - timedelta(days=2000)
    follow(DEAR, now=long_ago)

    follow(DEAR, now=NOW + timedelta(days=1))
    follow(ONE_A_DAY + JOB.replace("start", "other"), now=NOW + timedelta(days=1))

    assert starts(vendor) == 1 + 1


def test_a_job_is_as_old_as_it_is_and_not_as_its_pull(vendor, follow, monkeypatch):
    clock = [0.0, 7200.0]
    monkeypatch.setattr(
        "appliance.sources.recipe.pull.monotonic",
        lambda: clock.pop(0) if len(clock) > 1 else clock[0],
    )
    vendor.says("/exports", {"id": 7})
    done(vendor, 7)
    follow(ONE_A_DAY + JOB)

    with pytest.raises(ExportNotReady):
        follow(ONE_A_DAY + JOB, now=NOW + timedelta(hours=25))


EACH = 'quota = { starts = 3, per = "24h" }\neach = ["a", "b"]\n' + JOB.replace(
    "all.csv", "${item}.csv"
)


def test_where_not_all_jobs_may_be_started_none_is(vendor, follow):
    vendor.says("/exports", *({"id": number} for number in range(1, 9)))
    done(vendor, *range(1, 9))
    follow(EACH)

    with pytest.raises(ExportNotReady, match="allows 3 exports in 24 hours"):
        follow(EACH, now=NOW + timedelta(hours=1))

    assert starts(vendor) == 2
    assert len(files(follow(EACH, only=("a",), now=NOW + timedelta(hours=2)))) == 1


def test_jobs_that_were_started_already_need_no_quota(vendor, follow):
    vendor.says("/exports", {"id": 1}, {"id": 2})
    done(vendor, 1, 2)
    recipe = EACH.replace("starts = 3", "starts = 2")
    follow(recipe, done=False)

    assert len(files(follow(recipe))) == 2


def test_a_backup_that_needs_more_than_the_vendor_ever_allows_says_so(vendor, follow):
    with pytest.raises(SourceRefused, match="would begin 2 exports, and The vendor allows 1 in 24"):
        follow(EACH.replace("starts = 3", "starts = 1"))

    assert vendor.asked == []


def test_a_start_that_was_heard_and_sent_on_to_where_we_may_not_is_not_sent_again(vendor, follow):
    login = (200, {"access_token": "t"})
    vendor.says("/token", login)
    vendor.says("/exports", (303, b"", {"Location": "/status"}))
    vendor.says("/status", (401, b""))
    sign_in = (
        '[auth]\nkind = "oauth2"\ngrant = "client_credentials"\ntoken_url = "HOME/token"\n'
        'client_id = "a"\nclient_secret = "b"\n'
    )

    with pytest.raises(SourceRefused):
        follow(sign_in + JOB)

    assert vendor.asked.count("POST /exports") == 1
