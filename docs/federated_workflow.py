"""Makes orchestrate-federated.yml from orchestrate.yml: `make docs`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".github" / "workflows"
SOURCE, TARGET = FOLDER / "orchestrate.yml", FOLDER / "orchestrate-federated.yml"
HEAD = """\
# Made from orchestrate.yml by `make docs`; change that one.
# It differs in this: the job that runs agents may prove its identity to AWS, Google and Azure. It
# gets access there before its agents start. The agents get keys and tokens, and nothing to ask
# GitHub with.
"""
INPUTS = """\
      aws_role:
        description: The ARN of the AWS role whose keys the agents get.
        type: string
        default: ""
      aws_region:
        description: The region of that role's keys and of the models.
        type: string
        default: ""
      aws_minutes:
        description: How long the keys hold; no longer than the role allows.
        type: number
        default: 60
      google_provider:
        description: Google's workload identity provider, by its full name from `projects/` on.
        type: string
        default: ""
      google_account:
        description: The service account whose tokens agents get, if it is not the provider's.
        type: string
        default: ""
      azure_tenant:
        description: The tenant of `azure_client`.
        type: string
        default: ""
      azure_client:
        description: The application of Azure whose tokens for Foundry the agents get.
        type: string
        default: ""
"""
# Each of them stands once in orchestrate.yml.
CALL = "  workflow_call:\n    inputs:\n"
RIGHTS = """\
    timeout-minutes: ${{ inputs.job_minutes }}
    permissions:
      contents: read # clones the target
    steps:
"""
VARIABLES = "          agent_variables: ${{ inputs.agent_variables }}\n"
ASKS = "      id-token: write # proves its identity to the cloud\n"
HANDED = """\
          aws_role: ${{ inputs.aws_role }}
          aws_region: ${{ inputs.aws_region }}
          aws_minutes: ${{ inputs.aws_minutes }}
          google_provider: ${{ inputs.google_provider }}
          google_account: ${{ inputs.google_account }}
          azure_tenant: ${{ inputs.azure_tenant }}
          azure_client: ${{ inputs.azure_client }}
"""


def make_federated(text: str) -> str:
    """Return the federated workflow. Raises ValueError if the source has changed too much."""
    for place in (CALL, RIGHTS, VARIABLES):
        if text.count(place) != 1:
            raise ValueError(f"orchestrate.yml no longer has this once: {place}")
    steps = "    steps:\n"
    text = text.replace(CALL, CALL + INPUTS)
    text = text.replace(RIGHTS, RIGHTS.removesuffix(steps) + ASKS + steps)
    text = text.replace(VARIABLES, VARIABLES + HANDED)
    return HEAD + text.replace("name: Orchestrate\n", "name: Orchestrate with federation\n", 1)


def write_federated() -> None:
    """Write the workflow anew."""
    TARGET.write_text(make_federated(SOURCE.read_text("utf-8")), "utf-8")
