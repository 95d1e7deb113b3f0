"""From a grader's reply to points: matched to criteria by name, or a reason why there are none."""

from skillmix_lightning.graders.parse.reply import ParsedReply, parse_reply

__all__ = ["ParsedReply", "parse_reply"]
