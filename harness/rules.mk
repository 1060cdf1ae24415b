# harness: to come
