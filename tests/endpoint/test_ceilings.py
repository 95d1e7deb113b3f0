import pytest

from skillmix_lightning.endpoint.ceilings import PerMinute


def test_no_minute_has_noticeably_more_than_its_number():
    ceiling, now, used = PerMinute(600), 0.0, []
    while now < 180:
        wait = ceiling.wait(1, now)
        if wait == 0:
            ceiling.use(1, now)
            used.append(now)
        now += wait or 0.0
        now += 1e-6
    assert max(sum(start <= at < start + 60 for at in used) for start in range(120)) <= 610
    assert len(used) >= 0.99 * 1800


def test_what_is_larger_than_a_second_s_worth_starts_when_nothing_is_owed_and_leaves_a_debt():
    ceiling = PerMinute(60)
    assert ceiling.wait(10, 0.0) == 0
    ceiling.use(10, 0.0)
    assert ceiling.wait(1, 0.0) == pytest.approx(10)
    ceiling.use(-4, 0.0)
    assert ceiling.wait(1, 0.0) == pytest.approx(6)
