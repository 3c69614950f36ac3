import pytest

from recgoat_jax.encoders.profiles.answers import parse_answer

READ = [
    ("<think>Hm.</think><answer>Likes tea.</answer>", "Likes tea."),
    ("<think>Hm.</think>\n\n<answer>\nLikes tea.\nKey takeaway: tea.\n</answer>\n", "Likes tea.\nKey takeaway: tea."),
    # the case and spaces of tags
    ("<THINK>Hm.</THINK><Answer>Likes tea.</ANSWER>", "Likes tea."),
    ("< think >Hm.</ think ><answer >Likes tea.< /answer>", "Likes tea."),
    ("<thinking>Hm.</thinking><answer>Likes tea.</answer>", "Likes tea."),
    # a tag that is missing
    ("<think>Hm.</think><answer>Likes tea.", "Likes tea."),
    ("<think>Hm.<answer>Likes tea.</answer>", "Likes tea."),
    ("Hm.</think><answer>Likes tea.</answer>", "Likes tea."),
    ("<think>Hm.</think>Likes tea.</answer>", "Likes tea."),
    ("<think>Hm.</think>Likes tea.", "Likes tea."),
    ("<answer>Likes tea.</answer>", "Likes tea."),
    # nested, repeated, mentioned
    ("<answer><answer>Likes tea.</answer></answer>", "Likes tea."),
    ("<answer><think>Hm.</think>Likes tea.</answer>", "Likes tea."),
    ("<think>I must write <answer>a draft</answer> first.</think><answer>Likes tea.</answer>", "Likes tea."),
    ("<think>Within <answer> tags.</think><answer>Likes tea.</answer>", "Likes tea."),
    ("<answer>Draft.</answer> Better: <answer>Likes tea.</answer>", "Likes tea."),
    ("<answer>Likes tea.</answer><answer></answer>", "Likes tea."),
    ("<think>Hm. <answer>Likes tea.</answer></think>", "Likes tea."),
    # fences
    ("```\n<think>Hm.</think><answer>Likes tea.</answer>\n```", "Likes tea."),
    ("<answer>\n```text\nLikes tea.\n```\n</answer>", "Likes tea."),
    # characters that no text needs
    ("<answer>Likes\x00\u200b tea.\x1b</answer>", "Likes  tea."),
]

UNREADABLE = [
    # An echo of the request, which names the tags.
    "Write your reasoning within <think> and </think>, then the profile within <answer> and </answer>.",
    "",
    "I cannot help with that.",
    "<think>Hm. And then",
    "<think>Hm.</think>",
    "<think>Hm.</think>  \n",
    "<answer></answer>",
    "<answer>  ```\n```  </answer>",
    "<think>Hm.</think><answer>",
    "</answer>",
    "<think>a</think><think>b",
]


@pytest.mark.parametrize(("text", "profile"), READ)
def test_the_profile_is_found(text, profile):
    assert parse_answer(text) == profile
    assert parse_answer(text, untagged="accept") == profile


@pytest.mark.parametrize("text", UNREADABLE)
def test_no_profile_is_none_and_never_an_empty_text(text):
    assert parse_answer(text) is None


def test_a_text_without_tags_counts_only_where_the_answer_alone_was_asked_for():
    assert parse_answer("Likes tea.\n", untagged="accept") == "Likes tea."
    assert parse_answer("<think>Hm", untagged="accept") is None
    assert parse_answer("```\n```", untagged="accept") is None
