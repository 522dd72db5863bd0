"""ALFWorld for one client of a federation, as a Gymnasium environment."""

from __future__ import annotations

from fedenv.env import FedTextEnv


class ALFWorldEnv(FedTextEnv):
    """Do a household task, described in one sentence, in one client's house.

    ## Description
    The agent stands in a room, reads what is there ("You are in the middle of a room. Looking
    quickly around you, you see a cabinet 8, a cabinet 7, …") and its task ("put a hot potato in
    sinkbasin"), and gives commands. Texts, commands and goals are those of ALFWorld (Shridhar et
    al., 2021) 0.4 on TextWorld, word for word, played by an engine of our own
    (``docs/alfworld.md``). The bundled games were generated on the public floor plans: as many as
    ALFWorld's own, by the same six task types.

    ## Client model
    A house has four stages: content (what lies in it), encoding (what is noticed), matching (which
    commands work) and rendering (what is printed). Each variant changes one of them per client;
    which change a client gets depends on ``federation_seed`` and ``client_id`` alone. Every task
    stays solvable for an agent that knows its house. A client also has its own training tasks,
    assigned by ``partition``. ``val`` (ALFWorld's valid_seen) and ``test`` (valid_unseen: rooms
    that no training task is in) are the same for all clients and run in ALFWorld's own house by
    default.

    ## Action space
    ``UnicodeText``: ``go to <place>``, ``open <place>``, ``close <place>``,
    ``take <thing> from <place>``, ``move <thing> to <place>``, ``examine <place or thing>``,
    ``use <thing>``, ``heat | cool | clean <thing> with <place>``, ``slice <thing> with <thing>``,
    ``look``, ``inventory``, ``help``, exactly as ``info["admissible_actions"]`` lists them.
    Anything else is answered by "Nothing happens.", changes nothing, and costs a step; so is a
    command that does not work in the client's house (``info["action_valid"]`` is False for both).

    ## Observation
    ``UnicodeText``: the answer to the last command; the first one has the welcome line, the room
    and the task.

    ## Reward
    1.0 when the goal is reached, else 0.0; score and success are the same. At the end (also at the
    step limit of 50) ``info["reward_terms"]`` has ``"goal_condition_success_rate"``, in [0, 1]: of
    the facts that the goal asks for, the share that holds. Where several things would do (any
    potato, any basin), the combination counts that lacks the fewest. For "put a hot potato in
    sinkbasin" the facts are: it is hot, and it is in a basin, of one potato. It does not add to the
    score.

    ## Episode end
    ``terminated`` when the goal is reached; ``truncated`` after 50 steps.

    ## Arguments
    | name | default | values |
    |---|---|---|
    | ``client_id`` | 0 | 0 .. ``num_clients`` - 1 |
    | ``num_clients``, ``federation_seed`` | 100, 42 | integers |
    | ``partition`` | ``"uniform"`` | a name, or ``{"name": …, knobs}``; categories are task types |
    | ``split`` | ``"train"`` | ``"val"``, ``"test"`` |
    | ``eval_tasks`` | None | take the first so many tasks of val or test |
    | ``kernel`` | None | ``"client"``, ``"reference"``; None: client for train, else reference |
    | ``data`` | None | None: bundled; a folder of ``alfworld-download`` |
    | ``reward`` | ``"score"`` | ``"success"`` (the same here) |
    | ``render_mode`` | None | ``"ansi"`` |
    | ``engine`` | ``"fast"`` | ``"textworld"``: ALFWorld itself (extra ``alfworld``) |
    | ``admissible`` | ``"true"`` | ``"rendered"``, ``"none"``: what the list of commands tells |
    | ``keep_ratio`` | 0.5 | Inventory Split: share of the other portable classes a client has |
    | ``visible_ratio`` | 0.5 | Visibility Mask: share of the classes that are seen at once |
    | ``pool_size`` | 4 | Door Rule: rules that clients are assigned from, 1 to 4 |

    With ``admissible="true"`` the list has the commands that work in the client's house, which
    gives away much of what the variants hide; ``"rendered"`` has those that the printed text and
    ALFWorld's own rules suggest; ``"none"`` is an empty list.

    ## Registered ids
    ``FedALFWorld-v0`` (nothing differs), ``FedALFWorld-InventorySplit-v0`` (content),
    ``FedALFWorld-VisibilityMask-v0`` (encoding), ``FedALFWorld-DoorRule-v0`` (matching),
    ``FedALFWorld-ShiftedContents-v0`` (rendering).

    ## Version history
    * v0: first version; may change without a bump until fedenv 0.1.0.

    ## Citation
    Shridhar, Yuan, Côté, Bisk, Trischler, Hausknecht: ALFWorld: Aligning Text and Embodied
    Environments for Interactive Learning (ICLR 2021). "Is Decentralized LLM Agent RL Robust to
    Heterogeneity? An Asymmetric Tale" (FedAgent).
    """
