"""Records that are changed so that their hash chain fits, as a careful cheat would."""

from dataclasses import replace

from fedenv.trajectory import EpisodeRecord, chain_link


def forge(record: EpisodeRecord, **changes) -> EpisodeRecord:
    """Change a record and make its chain fit."""
    record = replace(record, **changes)
    link = start = chain_link("", record.header())
    steps = []
    for step in record.steps:
        link = chain_link(link, step.content())
        steps.append(replace(step, chain=link))
    end = chain_link(link, record.end())
    return replace(record, start_chain=start, steps=tuple(steps), chain=end)


def forge_step(record: EpisodeRecord, index: int, **changes) -> EpisodeRecord:
    """Change one step of a record and make its chain fit."""
    steps = list(record.steps)
    steps[index] = replace(steps[index], **changes)
    return forge(record, steps=tuple(steps))
