import pytest

from recgoat_jax.encoders.profiles import PromptConfig, redact, user_prompts
from tests.encoders.profiles.worlds import shop

PHONES = [
    "+49 170 1234567",
    "+49 (0)30 1234-567",
    "+14155550123",
    "+1 (415) 555-0123",
    "+44 20 7946 0958",
    "+33 1 23 45 67 89",
    "+86 138 0013 8000",
    "0049 30 1234567",
    "(415) 555-0123",
    "415-555-0123",
    "1-800-555-0199",
    "415.555.0123",
    "030/1234567",
    "0170-1234567",
    "020 7946 0958",
    "01 23 45 67 89",
]
EMAILS = ["ann@example.com", "a.b+c@mail.example.co.uk", "ÄNN_1@müller.example", "x@a-b.example"]
NEITHER = [
    "$1,299.00",
    "EUR 1.299,00",
    "19.99 29.99 39.99",
    "1999-2003",
    "1984",
    "2001: A Space Odyssey",
    "released 2019-01-02",
    "01/02/2019",
    "B00004TZY8",
    "ASIN 1572314591",
    "ISBN 978-0-306-40615-7",
    "ISBN 0-306-40615-2",
    "9780306406157",
    "978-0306406157",
    "ISBN 0306406152",
    "UPC 074646449824",
    "12345678901234",
    "size 10 x 20 x 30",
    "007: Live and Let Die",
    "802.11n",
    "10,000,000 sold",
    "+18 only",
    "version 1.2.3.4",
    "@handle",
    "1920x1080",
    "3 for 2 at 9.99",
]


@pytest.mark.parametrize("phone", PHONES)
def test_phone_numbers_go_and_what_stands_around_them_stays(phone):
    assert redact(f"call {phone}, now ({phone}).") == ("call [phone], now ([phone]).", 0, 2)


@pytest.mark.parametrize("email", EMAILS)
def test_addresses_go(email):
    assert redact(f"Write to {email}.") == ("Write to [email].", 1, 0)


@pytest.mark.parametrize("text", NEITHER)
def test_prices_years_and_product_numbers_stay(text):
    assert redact(f"A {text} B") == (f"A {text} B", 0, 0)


def test_prompts_are_redacted_when_asked_and_the_finds_are_counted():
    dataset = shop()
    texts = [f"item {i} ask ann@example.com or +49 170 12345{i:02}" for i in range(dataset.num_items)]
    plain, redacted = (user_prompts(dataset, texts, PromptConfig(redact=redact)) for redact in (False, True))
    assert "ann@example.com" in plain.messages["u0"][1].content
    assert "emails_redacted" not in plain.counts
    told = redacted.messages["u0"][1].content
    assert "[email] or [phone]" in told
    assert "example.com" not in told
    assert "12345" not in told
    assert redacted.counts["emails_redacted"] == redacted.counts["phones_redacted"] == dataset.num_items


def test_a_number_is_found_before_the_cut_and_behind_hidden_characters():
    dataset = shop()
    cut = [f"{'x' * 20} +49 170 1234567"] * dataset.num_items
    prompt = user_prompts(dataset, cut, PromptConfig(redact=True, max_characters=30)).messages["u0"][1].content
    assert "+49" not in prompt
    hidden = ["ann\u200b@\u200bexample.com"] * dataset.num_items
    assert "example" not in user_prompts(dataset, hidden, PromptConfig(redact=True)).messages["u0"][1].content
