-- On which lists somebody is, is asked of one or some people at a time: by conditions (`in_list`), merges, erasures and
-- exports. By the key, which begins with the list, SQLite looked through all members of all lists for that each time.
CREATE INDEX list_members_contact ON list_members (contact_id);
