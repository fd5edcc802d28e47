"""Renders users, apps and repositories as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from tests.github.clock import stamp
from tests.github.exchange import Object
from tests.github.people import App, Kind, Level, Permission, Role, Token, User
from tests.github.permissions import level_of
from tests.github.state import Reaction, Repository
from tests.github.store import Store, node_id

USER_URLS = {
    "followers_url": "followers",
    "following_url": "following{/other_user}",
    "gists_url": "gists{/gist_id}",
    "starred_url": "starred{/owner}{/repo}",
    "subscriptions_url": "subscriptions",
    "organizations_url": "orgs",
    "repos_url": "repos",
    "events_url": "events{/privacy}",
    "received_events_url": "received_events",
}
REPOSITORY_URLS = {
    "archive_url": "{archive_format}{/ref}",
    "assignees_url": "assignees{/user}",
    "blobs_url": "git/blobs{/sha}",
    "branches_url": "branches{/branch}",
    "collaborators_url": "collaborators{/collaborator}",
    "comments_url": "comments{/number}",
    "commits_url": "commits{/sha}",
    "compare_url": "compare/{base}...{head}",
    "contents_url": "contents/{+path}",
    "contributors_url": "contributors",
    "deployments_url": "deployments",
    "downloads_url": "downloads",
    "events_url": "events",
    "forks_url": "forks",
    "git_commits_url": "git/commits{/sha}",
    "git_refs_url": "git/refs{/sha}",
    "git_tags_url": "git/tags{/sha}",
    "hooks_url": "hooks",
    "issue_comment_url": "issues/comments{/number}",
    "issue_events_url": "issues/events{/number}",
    "issues_url": "issues{/number}",
    "keys_url": "keys{/key_id}",
    "labels_url": "labels{/name}",
    "languages_url": "languages",
    "merges_url": "merges",
    "milestones_url": "milestones{/number}",
    "notifications_url": "notifications{?since,all,participating}",
    "pulls_url": "pulls{/number}",
    "releases_url": "releases{/id}",
    "stargazers_url": "stargazers",
    "statuses_url": "statuses/{sha}",
    "subscribers_url": "subscribers",
    "subscription_url": "subscription",
    "tags_url": "tags",
    "teams_url": "teams",
    "trees_url": "git/trees{/sha}",
}
REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")
USER_KINDS = {"User": "U", "Bot": "BOT", "Organization": "O"}


def user_node(user: User) -> str:
    return node_id(USER_KINDS[user.kind], user.id)


def simple_user(store: Store, user: User) -> Object:
    url = f"{store.url}/users/{quote(user.login)}"
    page = user.login if user.kind is not Kind.BOT else f"apps/{user.login.removesuffix('[bot]')}"
    return {
        "login": user.login,
        "id": user.id,
        "node_id": user_node(user),
        "avatar_url": f"{store.url}/avatars/{user.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{store.url}/{page}",
        "type": user.kind.value,
        "user_view_type": "public",
        "site_admin": False,
    } | {name: f"{url}/{path}" for name, path in USER_URLS.items()}


def public_user(store: Store, user: User) -> Object:
    unknown = dict.fromkeys("company blog location email hireable bio twitter_username".split())
    counts = dict.fromkeys("public_repos public_gists followers following".split(), 0)
    dates = dict.fromkeys(("created_at", "updated_at"), "2020-01-01T00:00:00Z")
    return simple_user(store, user) | unknown | counts | dates | {"name": user.name}


def app(store: Store, one: App | None) -> Object | None:
    if one is None:
        return None
    return {
        "id": one.id,
        "slug": one.slug,
        "node_id": node_id("A", one.id),
        "owner": simple_user(store, one.bot),
        "name": one.name,
        "description": None,
        "external_url": f"{store.url}/apps/{one.slug}",
        "html_url": f"{store.url}/apps/{one.slug}",
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "permissions": {"metadata": "read"},
        "events": [],
    }


def association(repository: Repository, user: User) -> str:
    if user == repository.owner:
        return "OWNER"
    given = repository.roles.get(user.login.lower(), Role.NONE)
    return "NONE" if given is Role.NONE else "COLLABORATOR"


def reaction(store: Store, one: Reaction) -> Object:
    return {
        "id": one.id,
        "node_id": node_id("REA", one.id),
        "user": simple_user(store, one.user),
        "content": one.content,
        "created_at": stamp(one.created_at),
    }


def reaction_rollup(url: str, reactions: Sequence[Reaction]) -> Object:
    contents = [one.content for one in reactions]
    counts = {name: contents.count(name) for name in REACTIONS}
    return {"url": f"{url}/reactions", "total_count": len(contents)} | counts


def repository_url(store: Store, repository: Repository) -> str:
    return f"{store.url}/repos/{repository.full_name}"


def minimal_repository(store: Store, repository: Repository) -> Object:
    url = repository_url(store, repository)
    html_url = f"{store.url}/{repository.full_name}"
    return {
        "id": repository.id,
        "node_id": node_id("R", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": simple_user(store, repository.owner),
        "html_url": html_url,
        "description": None,
        "fork": False,
        "url": url,
    } | {name: f"{url}/{path}" for name, path in REPOSITORY_URLS.items()}


def repository(store: Store, one: Repository) -> Object:
    """Return a repository as pull requests and events show it."""
    html_url = f"{store.url}/{one.full_name}"
    count = sum(issue.state == "open" for issue in one.issues.values())
    zero = dict.fromkeys(
        "forks forks_count stargazers_count watchers watchers_count size".split(), 0
    )
    no = dict.fromkeys("has_projects has_wiki has_pages archived disabled".split(), False)
    return (
        minimal_repository(store, one)
        | zero
        | no
        | {
            "clone_url": f"{html_url}.git",
            "git_url": f"{html_url}.git",
            "ssh_url": f"{html_url}.git",
            "svn_url": html_url,
            "mirror_url": None,
            "homepage": None,
            "language": None,
            "license": None,
            "topics": [],
            "has_issues": one.has_issues,
            "has_downloads": True,
            "has_discussions": False,
            "is_template": False,
            "visibility": "private" if one.private else "public",
            "default_branch": one.default_branch,
            "open_issues": count,
            "open_issues_count": count,
            "created_at": stamp(one.created_at),
            "updated_at": stamp(one.created_at),
            "pushed_at": stamp(one.created_at),
            "web_commit_signoff_required": False,
        }
    )


def full_repository(store: Store, one: Repository, *, token: Token | None) -> Object:
    return repository(store, one) | {
        "network_count": 0,
        "subscribers_count": 0,
        "temp_clone_token": None,
        "allow_merge_commit": True,
        "allow_squash_merge": True,
        "allow_rebase_merge": True,
        "allow_auto_merge": one.allow_auto_merge,
        "allow_update_branch": False,
        "delete_branch_on_merge": False,
        "permissions": repository_permissions(one, token=token),
    }


def repository_permissions(one: Repository, *, token: Token | None) -> dict[str, bool]:
    if token is None or token.app:
        push = level_of(token, one, Permission.CONTENTS) >= Level.WRITE
        return {"admin": False, "maintain": False, "push": push, "triage": push, "pull": True}
    return role_map(one.role(token.user))


def role_map(role: Role) -> dict[str, bool]:
    named = {
        "admin": Role.ADMIN,
        "maintain": Role.MAINTAIN,
        "push": Role.WRITE,
        "triage": Role.TRIAGE,
        "pull": Role.READ,
    }
    return {name: role.rank >= least.rank for name, least in named.items()}
