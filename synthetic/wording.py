"""Words for synthetic titles: names and descriptions that a search can find, made up from short lists."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["GENRES", "describe"]

GENRES = (
    "drama", "comedy", "thriller", "crime", "romance", "action", "documentary", "sci-fi",
    "reality", "fantasy", "horror", "animation", "family", "history", "mystery", "music",
)  # fmt: skip

_SUBJECTS = {
    "drama": ("a surgeon", "two estranged sisters", "a village teacher", "a widowed farmer"),
    "comedy": ("a hapless landlord", "three flatmates", "an overconfident chef", "a wedding planner"),
    "thriller": ("a retired interpreter", "a night-shift courier", "a cornered witness", "a bank auditor"),
    "crime": ("a weary detective", "a rookie constable", "a family of smugglers", "a forger"),
    "romance": ("childhood sweethearts", "a florist", "two rival bakers", "a pianist"),
    "action": ("a former bodyguard", "a convoy driver", "a stunt rider", "an exiled captain"),
    "documentary": ("deep-sea divers", "beekeepers", "a forgotten orchestra", "polar researchers"),
    "sci-fi": ("a lone engineer", "the crew of a drifting station", "an android gardener", "a cartographer"),
    "reality": ("amateur builders", "twelve strangers", "home cooks", "young designers"),
    "fantasy": ("an orphaned heir", "a reluctant wizard", "a dragon keeper", "a cursed knight"),
    "horror": ("a caretaker", "four hikers", "a newlywed couple", "a sleepless child"),
    "animation": ("a curious fox", "a clumsy robot", "a tiny explorer", "an old lighthouse"),
    "family": ("a stray dog", "five cousins", "a grandmother", "a travelling circus"),
    "history": ("a court scribe", "a rebel printer", "a telegraph operator", "a young queen"),
    "mystery": ("an antique dealer", "a village doctor", "a crossword setter", "a lost heiress"),
    "music": ("a street drummer", "a fading singer", "a school choir", "a luthier"),
}
_THEMES = {
    "drama": ("grief and forgiveness", "a long-kept family secret", "the price of ambition"),
    "comedy": ("fun misunderstandings", "a feel-good second chance", "small-town absurdity"),
    "thriller": ("espionage and betrayal", "a spy ring", "a race against time"),
    "crime": ("a cold case", "an undercover sting", "a heist gone wrong"),
    "romance": ("first love", "letters never sent", "a summer by the sea"),
    "action": ("a rescue mission", "a chase across borders", "revenge"),
    "documentary": ("wild nature", "the science of survival", "true crime and justice"),
    "sci-fi": ("artificial minds", "time travel", "first contact in space"),
    "reality": ("a fierce competition", "a renovation", "dating under one roof"),
    "fantasy": ("an ancient prophecy", "forbidden magic", "a war of kingdoms"),
    "horror": ("a haunted house", "something in the woods", "a dark ritual"),
    "animation": ("friendship and courage", "a magical journey", "saving the forest"),
    "family": ("a holiday adventure", "learning to share", "coming home"),
    "history": ("a revolution", "life in wartime", "the fall of an empire"),
    "mystery": ("a locked-room murder", "a vanished stranger", "clues left in paintings"),
    "music": ("a comeback tour", "the roots of jazz", "an unlikely duet"),
}
_MOODS = (
    "dark", "fun", "tender", "gripping", "quiet", "witty", "bleak", "warm", "surreal", "fast-paced",
    "slow-burning", "heartfelt", "suspenseful", "offbeat", "lavish", "gritty",
)  # fmt: skip
_PLACES = (
    "Lisbon", "Nairobi", "Osaka", "Montreal", "Kraków", "Lima", "Mumbai", "Cairo", "Seoul", "Glasgow",
    "Istanbul", "Oaxaca", "Bergen", "Jakarta", "Lagos", "New Orleans",
)  # fmt: skip
_ERAS = ("today", "in the 1920s", "in the 1970s", "in the near future", "in the Middle Ages", "in the 1990s")
_ADJECTIVES = (
    "Silent", "Crimson", "Last", "Hidden", "Golden", "Broken", "Midnight", "Northern", "Paper", "Glass",
    "Electric", "Distant", "Hollow", "Burning", "Second", "Wandering", "Frozen", "Velvet", "Borrowed",
    "Restless", "Iron", "Secret", "Fallen", "Bitter", "Wild", "Lucky", "Salt", "Amber", "Stolen",
    "Perfect", "Quiet", "Scarlet",
)  # fmt: skip
_NOUNS = (
    "Harbour", "Orchard", "Signal", "Tide", "Crown", "Garden", "Verdict", "Lantern", "Frontier", "Mirror",
    "Echo", "Kingdom", "Letters", "Summer", "Empire", "Detour", "Cipher", "Inheritance", "Voyage",
    "Promise", "Shadow", "Neighbours", "Horizon", "Reunion", "Bridge", "Witness", "Carnival", "Compass",
    "Storm", "Anthem", "Ledger", "Labyrinth",
)  # fmt: skip


def describe(
    genre: npt.NDArray[np.int64], bits: npt.NDArray[np.uint64]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Unique names and descriptions of titles with these genres, [count, 2], from 64 random bits each."""
    names: list[str] = []
    texts: list[str] = []
    taken: dict[str, int] = {}
    for (main, second), word in zip(genre.tolist(), bits.tolist(), strict=True):
        place = _PLACES[word >> 40 & 15]
        name = f"{_ADJECTIVES[word & 31]} {_NOUNS[word >> 5 & 31]}"
        name = (name, f"The {name}", f"{name} of {place}", f"{place}: {name}")[word >> 10 & 3]
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name} {taken[name]}")
        first, other = GENRES[main], GENRES[second]
        subject = _SUBJECTS[first][word >> 12 & 3]
        theme, aside = _THEMES[first][(word >> 16) % 3], _THEMES[other][(word >> 20) % 3]
        mood, era = _MOODS[word >> 30 & 15], _ERAS[(word >> 50) % 6]
        texts.append(
            f"A {mood} {first} with touches of {other}: {subject} in {place} {era}, "
            f"a story of {theme} and {aside}."
        )
    return tuple(names), tuple(texts)
