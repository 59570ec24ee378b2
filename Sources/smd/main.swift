print("smd")
