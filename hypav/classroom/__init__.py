"""What a lecturer hands out, all from the notebooks: student copies without solutions, solution copies, the
instructor's page, and a site of the executed course that needs no network and no script.
"""

from hypav.classroom.build import build
from hypav.classroom.copies import solution_notebook, student_notebook
from hypav.classroom.instructor import instructor_markdown
from hypav.classroom.lesson import Lesson, read_lesson

__all__ = ["Lesson", "build", "instructor_markdown", "read_lesson", "solution_notebook", "student_notebook"]
