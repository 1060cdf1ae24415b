# allocator: to come
