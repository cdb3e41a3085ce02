"""A page that reads the faces of a picture that is dropped on it.

pip install . streamlit
streamlit run docs/examples/streamlit_app.py
"""

import json

import streamlit as st

from facecli import FaceAnalyzer, FacecliError


@st.cache_resource
def load_analyzer() -> FaceAnalyzer:
    """One for all visitors: threads may share it."""
    return FaceAnalyzer()


st.title("Faces")
st.caption("What a network takes a face for, no fact about a person. Pictures are not kept.")
details = st.checkbox("Show how sure it is")
file = st.file_uploader("A picture", type=["jpg", "jpeg", "png", "webp"])
if file is not None:
    try:
        # The page runs anew at every click: a file would stand at its end then, its content does not.
        result = load_analyzer().analyze(file.getvalue(), source=file.name)
    except FacecliError as error:
        st.error(str(error))
    else:
        st.image(result.draw(details=details))
        for number, face in enumerate(result.faces, start=1):
            st.write(f"{number}: {face.whole_years} years, {face.gender}, {face.emotion}")
        if not result.faces:
            st.write("No face was found.")
        rows = json.dumps(result, ensure_ascii=False)
        st.download_button("Rows as JSON", rows, "faces.json", "application/json")
