"""WebShop for one client of a federation, as a Gymnasium environment."""

from __future__ import annotations

from fedenv.env import FedTextEnv


class WebShopEnv(FedTextEnv):
    """Buy the product that an instruction describes, in one client's web shop.

    ## Description
    The agent reads a shopping instruction ("Find me easy clean, slim fit shirts with color: navy,
    and size: large, and price lower than 40.00 dollars"), searches a catalog, turns result pages,
    opens products, chooses options and buys one product, which ends the episode. Texts, pages and
    reward are those of WebShop (Yao et al., 2022); what was left out of the original on purpose is
    listed in ``docs/webshop.md``.

    ## Client model
    A shop is a pipeline of four stages: catalog (what is sold), index (which fields are searchable,
    and how they are tokenised), scoring (BM25 with k1 and b) and rendering (the order in which
    results are shown, and the page text). Each variant changes one stage per client (added products
    also change the statistics of scoring); which change a client gets depends on
    ``federation_seed`` and ``client_id`` alone (paper, Section 3.2 and Appendix I). A client also
    has its own training tasks, assigned by ``partition``. ``val`` and ``test`` are the same for all
    clients and run in the unperturbed reference shop by default.

    As in the paper, the reference shop is searched by Lucene's BM25, as are the clients of
    ``FedWebShop-v0`` and Catalog Split; clients of the other variants are searched by BM25 Okapi.
    ``engine`` puts all of them on one engine (``docs/webshop.md``, the matched control).

    ## Action space
    ``UnicodeText``: ``search[words]`` on every page, ``click[label]`` on what the page offers (the
    label's case does not matter). ``info["admissible_actions"]`` lists what is offered now; where
    the page has a search bar the first entry is ``"search[<query>]"``. Anything else is a valid
    step that changes nothing, with ``info["action_valid"]`` False.

    ## Observation space
    ``UnicodeText``: the text of the page. Mode ``"text"`` joins the page's pieces with `` [SEP] ``
    and does not show chosen options (as in the paper); ``"text_rich"`` puts one piece a line and
    marks buttons, chosen options and visited products.

    ## Reward
    0.0 until the purchase, then WebShop's score in [0, 1]: the share of wanted attributes, options
    and price limit that the purchase meets, scaled by how well the kind of product fits.
    ``info["reward_terms"]`` holds the contributions ``attributes``, ``options``, ``price`` and
    ``type`` (what a wrong kind of product takes away, at most 0); they add up to the score. With
    ``reward="success"`` the reward is 1.0 for a score of 1 and 0.0 otherwise.

    ## Episode end
    Terminated by ``click[buy now]``; truncated after 15 steps (``TimeLimit``).

    ## Info
    The same keys and types at every step: ``client_id`` (int), ``task_id`` (str, opaque),
    ``split`` (str), ``episode_seed`` (int), ``step`` (int), ``action_valid`` (bool),
    ``admissible_actions`` (list of str), ``success`` (bool), ``score`` (float), ``reward_terms``
    (dict; empty until the end).

    ## Arguments
    All JSON values; an unknown one is an error that lists the legal ones.

    | argument | default | meaning |
    |---|---|---|
    | ``client_id`` | 0 | 0-based client index (the paper's i minus one) |
    | ``num_clients`` | 100 | number of clients N |
    | ``federation_seed`` | 42 | the paper's sigma_0: who gets what |
    | ``partition`` | ``"uniform"`` | name, or ``{"name": …}`` with knobs |
    | ``split`` | ``"train"`` | ``"train"``, ``"val"``, ``"test"`` |
    | ``split_by`` | ``"goal"`` | ``"product"`` gives a test split of unseen products |
    | ``eval_tasks`` | None | the first so many tasks of val or test |
    | ``kernel`` | None | ``"client"`` or ``"reference"``; None: client for train, else reference |
    | ``data`` | None | None (bundled), a folder in the public format, or its items_shuffle file |
    | ``goals`` | ``"synthetic"`` | ``"human"`` needs items_human_ins.json |
    | ``reward`` | ``"score"`` | or ``"success"`` |
    | ``noun_tagger`` | ``"rules"`` | ``"spacy"``, ``"spacy:<model>"``: tagger of the type reward |
    | ``render_mode`` | None | ``"ansi"`` |
    | ``observation_mode`` | ``"text"`` | ``"text_rich"`` |
    | ``engine`` | None: as above | ``"okapi"``, ``"lucene"``; ``"pyserini"`` (extra ``lucene``) |
    | ``k1``, ``b`` | Lucene 0.9, 0.4; Okapi 1.2, 0.75 | BM25 parameters of the unperturbed stages |
    | ``fields`` | Lucene the original's; Okapi all five | ``name``, ``Title``, ``description``, … |
    | ``tokenizer`` | Lucene ``"english"``; Okapi ``"word"`` | ``"whitespace"`` |
    | ``search_return_n`` | 200 | results of a search at most |
    | ``pool_size`` | 4 | pool variants: configurations, up to 8 (lookalikes and rank rules: 4) |
    | ``env_div``, ``keep_ratio`` | 1.0, 0.7 | Catalog Split |
    | ``surface_k``, ``shuffle_k``, ``random_prob`` | 10, 50, 0.5 | Rank Wrapper |

    ## Registered ids
    ``FedWebShop-v0`` (nothing differs), ``FedWebShop-CatalogSplit-v0`` (stage 1),
    ``FedWebShop-FieldSubset-v0`` (stage 2), ``FedWebShop-BM25Reweight-v0`` (stage 3),
    ``FedWebShop-Lookalike-v0`` (stages 1 and 3), ``FedWebShop-RankWrapper-v0`` (stage 4).

    ## Version history
    * v0: first version; may change without a bump until fedenv 0.1.0.

    ## Citation
    Yao, Chen, Yang, Narasimhan: WebShop: Towards Scalable Real-World Web Interaction with Grounded
    Language Agents (NeurIPS 2022). "Is Decentralized LLM Agent RL Robust to Heterogeneity? An
    Asymmetric Tale" (FedAgent).
    """
