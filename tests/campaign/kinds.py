"""All kinds, and how much of the time each gets."""

from campaign.bombs import BOMBS
from campaign.case import Kind
from campaign.clips import CLIPS, DrawnClips
from campaign.disks import Disks
from campaign.kills import Kills
from campaign.models import MODEL_LISTS, MODEL_TABLES, Models, Networks
from campaign.pictures import DRAWN_PICTURES, PICTURES
from campaign.rows import SEARCH_TABLES, SEARCHES, SUMMARIES, TABLES, ReadBack
from campaign.server import Servers

SHARES: dict[str, tuple[Kind, int]] = {
    kind.name: (kind, share)
    for kind, share in (
        (PICTURES, 5), (DRAWN_PICTURES, 2), (BOMBS, 4), (CLIPS, 4), (DrawnClips(), 2),
        (SUMMARIES, 1), (TABLES, 1), (SEARCHES, 1), (SEARCH_TABLES, 1), (ReadBack(), 2),
        (MODEL_LISTS, 1), (MODEL_TABLES, 1), (Models(), 2), (Networks(), 1),
        (Kills(), 4), (Disks(), 3), (Servers(), 5),
    )
}  # fmt: skip
"""Name -> the kind and its share of the time."""
