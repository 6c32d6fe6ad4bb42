"""The API under /api: looking after uploads, links, users and quotas."""
