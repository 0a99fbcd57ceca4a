"""What was promised can be read off a report: about a second after the facts, from every process."""

from tests.acceptance.shop import somebody, until


def total_of(shop):
    answer = shop.get("/api/v1/reports/first-response")
    assert answer.status_code == 200, answer.text
    return answer.json()["total"]


def test_the_report_tells_what_became_of_the_leads(shop):
    person = somebody()
    shop.dial("openai", text="Wonderful that you wrote to us. What matters most to you?")
    shop.ended(shop.submit(person))
    shop.submit(person, expect=200)
    shop.dial("openai", fault="error", error_status=500)
    shop.ended(shop.submit(somebody()))
    shop.writes(person, "Yes please, tell me more")

    total = until(
        lambda: (found := total_of(shop))["replied"] == found["duplicates"] == 1 and found["greeted"] == 2 and found,
        what="the report",
    )

    assert (total["captured"], total["greeted_by_channel"]) == (2, {"whatsapp_cloud": 2})
    assert total["fallback_texts"] == {"server_error": 1}
    assert total["first_response_p99_ms"] > 0
