"""Operations: from what is on a host to what is declared; they say when nothing is to do."""
