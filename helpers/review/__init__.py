"""The review widget: masks looked at by a person, one verdict after another."""
