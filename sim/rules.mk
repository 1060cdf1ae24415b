# sim: to come
