"""Health: may the effects be read, and how far may they be trusted?"""
