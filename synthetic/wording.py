"""Words for synthetic titles: names and descriptions that a search can find, made up from short lists."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["GENRES", "describe", "put_in_words"]

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
_OWN_WORDS = {
    "grief and forgiveness": ("losing someone", "making peace after a loss"),
    "a long-kept family secret": ("hidden past of the parents", "lies at home"),
    "the price of ambition": ("ruthless career", "getting to the top"),
    "fun misunderstandings": ("silly mix-ups", "everyone gets it wrong"),
    "a feel-good second chance": ("starting over", "uplifting fresh start"),
    "small-town absurdity": ("quirky locals", "weird little village"),
    "espionage and betrayal": ("secret agents", "double agent"),
    "a spy ring": ("undercover agents", "cold war intelligence"),
    "a race against time": ("ticking clock", "before it is too late"),
    "a cold case": ("old unsolved murder", "detective reopens the file"),
    "an undercover sting": ("police inside the gang", "double life of a cop"),
    "a heist gone wrong": ("bank robbery", "robbers on the run"),
    "first love": ("teenage sweethearts", "falling for someone"),
    "letters never sent": ("lost lovers", "old correspondence"),
    "a summer by the sea": ("beach holiday", "seaside fling"),
    "a rescue mission": ("saving hostages", "soldiers get them out"),
    "a chase across borders": ("manhunt", "fugitive on the run"),
    "revenge": ("payback", "getting even"),
    "wild nature": ("animals", "wildlife and oceans"),
    "the science of survival": ("staying alive in the wilderness", "extreme conditions"),
    "true crime and justice": ("real murders and trials", "serial killers"),
    "artificial minds": ("robots that think", "conscious machines"),
    "time travel": ("going back to the past", "stuck in a loop"),
    "first contact in space": ("aliens", "meeting extraterrestrials"),
    "a fierce competition": ("contest with a prize", "who gets voted out"),
    "a renovation": ("doing up houses", "home makeover"),
    "dating under one roof": ("singles looking for love", "couples in a villa"),
    "an ancient prophecy": ("chosen one", "old legend comes true"),
    "forbidden magic": ("witches and spells", "dark sorcery"),
    "a war of kingdoms": ("battles for the throne", "kings and armies"),
    "a haunted house": ("ghosts", "spirits in an old mansion"),
    "something in the woods": ("monster in the forest", "lost campers"),
    "a dark ritual": ("demons and cults", "possessed"),
    "friendship and courage": ("brave little heroes", "best friends"),
    "a magical journey": ("enchanted adventure", "quest in another world"),
    "saving the forest": ("protecting nature", "animals against loggers"),
    "a holiday adventure": ("trip with the kids", "christmas getaway"),
    "learning to share": ("lessons for little ones", "getting along"),
    "coming home": ("return to the parents", "reunited after years"),
    "a revolution": ("uprising against the king", "rebels"),
    "life in wartime": ("world war", "civilians under bombs"),
    "the fall of an empire": ("ancient rome", "end of a dynasty"),
    "a locked-room murder": ("whodunit", "who killed him"),
    "a vanished stranger": ("missing person", "disappeared without a trace"),
    "clues left in paintings": ("art puzzle", "codes to crack"),
    "a comeback tour": ("rock band back on stage", "aging singer"),
    "the roots of jazz": ("blues musicians", "trumpet legends"),
    "an unlikely duet": ("two very different singers", "songwriting partners"),
}
"""How people who have not read the description may put a theme. Assumption; written before any was searched for."""
SAME_WORD = 0.2
"""Chance that two people call a thing by the same word (Furnas et al. 1987: less than one in five)."""
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
        theme, aside = _themes(first, other, word)
        mood, era = _MOODS[word >> 30 & 15], _ERAS[(word >> 50) % 6]
        texts.append(
            f"A {mood} {first} with touches of {other}: {subject} in {place} {era}, "
            f"a story of {theme} and {aside}."
        )
    return tuple(names), tuple(texts)


def put_in_words(
    genre: npt.NDArray[np.int64], bits: npt.NDArray[np.uint64], chance: npt.NDArray[np.float64]
) -> tuple[str, ...]:
    """What somebody says of each title who wants such a one: a theme, mostly in other words than its description's.

    ``genre`` and ``bits`` as given to :func:`describe`; ``chance`` [count, 3] uniform draws: which of the two themes,
    whether by the same word, which of the others.
    """
    said = []
    for (main, second), word, (which, same, other) in zip(
        genre.tolist(), bits.tolist(), chance.tolist(), strict=True
    ):
        theme = _themes(GENRES[main], GENRES[second], word)[which >= 0.5]
        words = _OWN_WORDS[theme]
        said.append(theme.split(" ")[-1] if same < SAME_WORD else words[int(other * len(words))])
    return tuple(said)


def _themes(main: str, second: str, word: int) -> tuple[str, str]:
    """What a title is about, and what besides."""
    return _THEMES[main][(word >> 16) % 3], _THEMES[second][(word >> 20) % 3]
