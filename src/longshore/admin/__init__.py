"""The admin panel: a look at users, uploads and events in the browser, for administrators. It changes nothing."""
