# tests: to come
